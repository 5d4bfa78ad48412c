"""What all region heads share: choosing labelled regions for training.

Boxes are (x1, y1, x2, y2) in pixels of the network input. Shapes: P proposals of an image, C
classes (the background is index C).
"""

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.structures import ImageList, Instances, pairwise_iou
from detectron2.utils.events import get_event_storage
from detectron2.utils.registry import Registry
from torch import nn

from .._rows import rows_where
from .._sampling import subsample_batch
from ..matcher import Matcher
from ..proposal_generator.proposal_utils import add_ground_truth_to_proposals

# Modules `(images, features, proposals, targets) -> (instances, losses)`, built as
# `obj(cfg, input_shape)` with the backbone's `output_shape()`.
ROI_HEADS_REGISTRY = Registry("ROI_HEADS")


def build_roi_heads(cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> nn.Module:
    """Return the heads that `MODEL.ROI_HEADS.NAME` names."""
    return ROI_HEADS_REGISTRY.get(cfg.MODEL.ROI_HEADS.NAME)(cfg, input_shape)


def select_foreground_proposals(
    proposals: list[Instances], bg_label: int
) -> tuple[list[Instances], list[torch.Tensor]]:
    """Return the foreground proposals of each image, and which they are, (P,) bool.

    The proposals have `gt_classes`, in which `bg_label` is the background and -1 ignored.
    """
    masks = [(p.gt_classes != -1) & (p.gt_classes != bg_label) for p in proposals]
    return [p[rows] for p, rows in zip(proposals, rows_where(masks), strict=True)], masks


class ROIHeads(nn.Module):
    """Base class of heads: matches proposals with the ground truth and samples from them.

    A subclass defines `forward(images, features, proposals, targets=None)`. Features come by name,
    proposals have `proposal_boxes` and `objectness_logits`, targets `gt_boxes`, `gt_classes` and
    optionally `gt_masks`. In training it returns the sampled proposals and the losses by name; at
    inference the detections of each image (`pred_boxes`, `scores`, `pred_classes`, optionally
    `pred_masks`) and no losses.

    Args:
        num_classes: C.
        batch_size_per_image: regions of an image in the losses.
        positive_fraction: largest share of foreground ones.
        proposal_matcher: labels proposals by their IoU with the ground truth.
        proposal_append_gt: let ground-truth boxes be proposals too.
    """

    @configurable
    def __init__(
        self,
        *,
        num_classes: int,
        batch_size_per_image: int,
        positive_fraction: float,
        proposal_matcher: Matcher,
        proposal_append_gt: bool = True,
    ):
        super().__init__()
        self.num_classes = num_classes
        self.batch_size_per_image = batch_size_per_image
        self.positive_fraction = positive_fraction
        self.proposal_matcher = proposal_matcher
        self.proposal_append_gt = proposal_append_gt

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        if cfg.MODEL.KEYPOINT_ON:
            raise ValueError(
                "MODEL.KEYPOINT_ON is not part of this distribution; set it to False or install "
                "upstream detectron2"
            )
        heads = cfg.MODEL.ROI_HEADS
        return {
            "num_classes": heads.NUM_CLASSES,
            "batch_size_per_image": heads.BATCH_SIZE_PER_IMAGE,
            "positive_fraction": heads.POSITIVE_FRACTION,
            "proposal_matcher": Matcher(
                heads.IOU_THRESHOLDS, heads.IOU_LABELS, allow_low_quality_matches=False
            ),
            "proposal_append_gt": heads.PROPOSAL_APPEND_GT,
        }

    def forward(
        self,
        images: ImageList,
        features: dict[str, torch.Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, torch.Tensor]]:
        """Return instances and losses, as said above."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward")

    @torch.no_grad()
    def label_and_sample_proposals(
        self, proposals: list[Instances], targets: list[Instances]
    ) -> list[Instances]:
        """Return proposals to train on, with the ground truth of their matched objects.

        Args:
            proposals: per image, with `proposal_boxes` and `objectness_logits`.
            targets: per image, with `gt_boxes`, `gt_classes` and any further `gt_*` fields.

        Returns:
            Per image at most `batch_size_per_image` proposals, foreground first, with `gt_classes`.
            In images with objects also every other `gt_*` field of the matched object; those of
            background proposals have no meaning.
        """
        if self.proposal_append_gt:
            proposals = add_ground_truth_to_proposals(targets, proposals)
        pairs = list(zip(proposals, targets, strict=True))
        matched = [self._match(*pair) for pair in pairs]
        drawn = subsample_batch(
            [classes for _, classes in matched],
            self.batch_size_per_image,
            self.positive_fraction,
            self.num_classes,
        )
        sampled = [torch.cat(of_image) for of_image in drawn]
        labelled = [
            _labelled(*pair, *of_image, rows)
            for pair, of_image, rows in zip(pairs, matched, sampled, strict=True)
        ]
        log_sample_counts([p.gt_classes for p in labelled], self.num_classes, "roi_head")
        return labelled

    def _match(self, proposals: Instances, targets: Instances) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the object and the class of each proposal of one image, both (P,)."""
        quality = pairwise_iou(targets.gt_boxes, proposals.proposal_boxes)
        matches, labels = self.proposal_matcher(quality)
        return matches, classes_of_matches(matches, labels, targets.gt_classes, self.num_classes)


def _labelled(
    proposals: Instances,
    targets: Instances,
    matches: torch.Tensor,
    classes: torch.Tensor,
    rows: torch.Tensor,
) -> Instances:
    """Return the proposals `rows` of one image with the ground truth of their objects."""
    proposals = proposals[rows]
    proposals.gt_classes = classes[rows]
    if len(targets) > 0:
        matched = matches[rows]
        for name, value in targets.get_fields().items():
            if name.startswith("gt_") and not proposals.has(name):
                proposals.set(name, value[matched])
    return proposals


def classes_of_matches(
    matches: torch.Tensor, labels: torch.Tensor, gt_classes: torch.Tensor, num_classes: int
) -> torch.Tensor:
    """Return the class (P,) of each proposal: C for background, -1 for ignored.

    Args:
        matches, labels: (P,), see `Matcher`.
        gt_classes: of the objects; without objects everything is background.
    """
    if len(gt_classes) == 0:
        return torch.full_like(matches, num_classes)
    classes = gt_classes[matches].masked_fill(labels == 0, num_classes)
    return classes.masked_fill(labels == -1, -1)


def log_sample_counts(gt_classes: list[torch.Tensor], num_classes: int, prefix: str) -> None:
    """Record how many foreground and background samples an image has on average."""
    all_classes = torch.cat(gt_classes)
    num_background = (all_classes == num_classes).sum().double()  # stays where it is
    num_foreground = len(all_classes) - num_background
    storage = get_event_storage()
    storage.put_scalar(f"{prefix}/num_fg_samples", num_foreground / len(gt_classes))
    storage.put_scalar(f"{prefix}/num_bg_samples", num_background / len(gt_classes))
