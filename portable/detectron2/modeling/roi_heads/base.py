"""What all region heads share: choosing labelled regions for training.

Boxes are (x1, y1, x2, y2) in pixels of the network input. Shapes: P proposals of an image, S sampled
ones, C classes (the background is index C).
"""

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.structures import ImageList, Instances, pairwise_iou
from detectron2.utils.events import get_event_storage
from detectron2.utils.registry import Registry
from torch import nn

from ..matcher import Matcher
from ..proposal_generator.proposal_utils import add_ground_truth_to_proposals
from ..sampling import subsample_labels

ROI_HEADS_REGISTRY = Registry("ROI_HEADS")
ROI_HEADS_REGISTRY.__doc__ = """
Modules `(images, features, proposals, targets) -> (instances, losses)`, built as
`obj(cfg, input_shape)` with the backbone's `output_shape()`.
"""


def build_roi_heads(cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> nn.Module:
    """Returns the heads that `MODEL.ROI_HEADS.NAME` names."""
    return ROI_HEADS_REGISTRY.get(cfg.MODEL.ROI_HEADS.NAME)(cfg, input_shape)


def select_foreground_proposals(
    proposals: list[Instances], bg_label: int
) -> tuple[list[Instances], list[torch.Tensor]]:
    """Returns the foreground proposals of each image, and which of all proposals they are.

    Args:
        proposals: per image, with `gt_classes`; -1 is ignored.
        bg_label: class index of the background.

    Returns:
        The selected Instances, and (P,) bool masks.
    """
    masks = [(p.gt_classes != -1) & (p.gt_classes != bg_label) for p in proposals]
    return [p[mask] for p, mask in zip(proposals, masks, strict=True)], masks


class ROIHeads(nn.Module):
    """Base class of heads: matches proposals with the ground truth and samples from them.

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
        """Returns constructor arguments from `MODEL.ROI_HEADS`."""
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
        """Returns instances per image and losses by name.

        Args:
            images: the batch.
            features: of the backbone, by name.
            proposals: per image, with `proposal_boxes` and `objectness_logits`.
            targets: per image, with `gt_boxes`, `gt_classes` and optionally `gt_masks`; needed in
                training.

        Returns:
            In training the sampled proposals and the losses; at inference the detections
            (`pred_boxes`, `scores`, `pred_classes`, optionally `pred_masks`) and no losses.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward()")

    @torch.no_grad()
    def label_and_sample_proposals(
        self, proposals: list[Instances], targets: list[Instances]
    ) -> list[Instances]:
        """Returns proposals to train on, with the ground truth of their matched objects.

        Args:
            proposals: per image, with `proposal_boxes` and `objectness_logits`.
            targets: per image, with `gt_boxes`, `gt_classes` and any further `gt_*` fields.

        Returns:
            Per image at most `batch_size_per_image` proposals, foreground first, with their fields
            and `gt_classes` (S,) int64. In images with objects also every other `gt_*` field of
            the matched object; those of background proposals have no meaning.
        """
        if self.proposal_append_gt:
            proposals = add_ground_truth_to_proposals(targets, proposals)
        labelled = [self._label_and_sample(p, t) for p, t in zip(proposals, targets, strict=True)]
        _log_sample_counts([p.gt_classes for p in labelled], self.num_classes, "roi_head")
        return labelled

    def _label_and_sample(self, proposals: Instances, targets: Instances) -> Instances:
        """Returns the sampled proposals of one image."""
        quality = pairwise_iou(targets.gt_boxes, proposals.proposal_boxes)
        matches, labels = self.proposal_matcher(quality)
        sampled, gt_classes = self._sample_proposals(matches, labels, targets.gt_classes)
        proposals = proposals[sampled]
        proposals.gt_classes = gt_classes
        if len(targets) > 0:
            matched = matches[sampled]
            for name, value in targets.get_fields().items():
                if name.startswith("gt_") and not proposals.has(name):
                    proposals.set(name, value[matched])
        return proposals

    def _sample_proposals(
        self, matched_idxs: torch.Tensor, matched_labels: torch.Tensor, gt_classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns indices of the sampled proposals and their classes, foreground first.

        Args:
            matched_idxs: (P,) int64, the matched object of each proposal.
            matched_labels: (P,) int8, see `Matcher`.
            gt_classes: (M,) int64 of the objects; M may be 0.
        """
        classes = classes_of_matches(matched_idxs, matched_labels, gt_classes, self.num_classes)
        foreground, background = subsample_labels(
            classes, self.batch_size_per_image, self.positive_fraction, self.num_classes
        )
        sampled = torch.cat([foreground, background])
        return sampled, classes[sampled]


def classes_of_matches(
    matches: torch.Tensor, labels: torch.Tensor, gt_classes: torch.Tensor, num_classes: int
) -> torch.Tensor:
    """Returns the class (P,) of each proposal: C for background, -1 for ignored.

    Args:
        matches: (P,) int64, the matched object of each proposal.
        labels: (P,) int8: 1 foreground, 0 background, -1 ignored.
        gt_classes: (M,) int64 of the objects; without objects everything is background.
        num_classes: C.
    """
    if len(gt_classes) == 0:
        return torch.full_like(matches, num_classes)
    classes = gt_classes[matches]
    classes[labels == 0] = num_classes
    classes[labels == -1] = -1
    return classes


def _log_sample_counts(gt_classes: list[torch.Tensor], num_classes: int, prefix: str) -> None:
    """Records how many foreground and background samples an image has on average."""
    num_background = sum(int((classes == num_classes).sum()) for classes in gt_classes)
    num_samples = sum(len(classes) for classes in gt_classes)
    storage = get_event_storage()
    num_images = max(len(gt_classes), 1)
    storage.put_scalar(f"{prefix}/num_fg_samples", (num_samples - num_background) / num_images)
    storage.put_scalar(f"{prefix}/num_bg_samples", num_background / num_images)
