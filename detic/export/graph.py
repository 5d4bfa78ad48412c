"""A two-stage detector as a function of tensors, whose vocabulary is an argument.

Shapes: H x W image, C classes, D embedding width, R proposals, M candidates (a box with one of its
classes), N detections, S side of a mask.
"""

from typing import NamedTuple

import torch
from detectron2.structures import Boxes
from torch import Tensor, nn
from torch.nn import functional as F

from centernet.nms_in_graphs import nms_of_fixed_size, on_a_square, take_or_zero
from detic.export.proposals import propose
from detic.modeling.meta_arch import CustomRCNN
from detic.modeling.request import DetectionRequest, RequestedClasses
from detic.modeling.roi_heads.class_scores import ScoreParams, mean_scores
from detic.modeling.roi_heads.inference import ClassifiedBoxes

# An image may have this many candidates per detection if boxes have several classes.
_CANDIDATES_PER_DETECTION = 32


class Candidates(NamedTuple):
    """Boxes with a class each; those that there are not have score 0."""

    boxes: Tensor  # (M, 4) XYXY pixels
    scores: Tensor  # (M,)
    classes: Tensor  # (M,) int64
    rows: Tensor  # (M,) int64 of the boxes among the R


class TwoStageGraph(nn.Module):
    """The modules of a detector, wired so that no shape depends on the image but the outputs'.

    It computes what ``model.inference`` does.

    Args:
        model: in evaluation mode.
        masks: return masks, too.
    """

    def __init__(self, model: CustomRCNN, masks: bool):
        super().__init__()
        self.model = model
        self.masks = masks

    def forward(
        self, image: Tensor, class_embeddings: Tensor, thresholds: Tensor
    ) -> dict[str, Tensor]:
        """Return the detections of an image, highest score first.

        Args:
            image: (H, W, 3) uint8 in the channel order of the recipe.
            class_embeddings: (C, D).
            thresholds: (C,) scores that detections have to exceed, 0 or more.

        Returns:
            ``boxes`` (N, 4) XYXY in pixels of the image, ``scores`` (N,), ``classes`` (N,) int64,
            ``region_embeddings`` (N, D) and maybe ``masks`` (N, S, S), which fill their boxes.
        """
        model, heads = self.model, self.model.roi_heads
        images = model.preprocess_image([{"image": image.permute(2, 0, 1)}])
        features = model.backbone_features(images)
        columns = F.pad(model.classifier.columns(class_embeddings), (0, 1))
        request = DetectionRequest(classes=RequestedClasses(columns))
        proposals = [propose(model.proposal_generator, images, features)]
        classified = heads.classify_boxes(features, proposals, request)
        candidates = _candidates(
            classified, class_embeddings.shape[0], thresholds, heads.score_params
        )
        chosen = _choose(candidates, images.image_sizes[0], heads.score_params)
        regions = F.normalize(classified.classifier.embed(classified.x[chosen.rows]), dim=1)
        outputs = {
            "boxes": chosen.boxes,
            "scores": chosen.scores,
            "classes": chosen.classes,
            "region_embeddings": regions,
        }
        if self.masks:
            pooled = heads.pool_for_masks(features, [Boxes(chosen.boxes)])
            outputs["masks"] = heads.mask_head.layers(pooled)[:, 0].sigmoid()
        return outputs


def _candidates(
    classified: ClassifiedBoxes, num_classes: int, thresholds: Tensor, params: ScoreParams
) -> Candidates:
    """Return what NMS chooses from."""
    (boxes,) = classified.boxes_xyxy
    proposal_scores = classified.proposal_scores if params.multiply_proposal_score else None
    scores = mean_scores(classified.stages, slice(0, num_classes), proposal_scores)  # (R, C)
    if params.one_class_per_proposal:
        best, classes = scores.max(dim=1)
        best = best.where(best > thresholds[classes], 0)
        return Candidates(boxes, best, classes, torch.arange(boxes.shape[0], device=boxes.device))
    count = params.max_detections * _CANDIDATES_PER_DETECTION
    above = scores.where(scores > thresholds, 0).flatten()
    best, place = F.pad(above, (0, count)).topk(count)
    place = place.clamp(max=above.shape[0] - 1)
    rows = place // num_classes
    return Candidates(boxes[rows], best, place - rows * num_classes, rows)


def _choose(c: Candidates, image_size_hw: tuple[int, int], params: ScoreParams) -> Candidates:
    """Return the detections: what is left of boxes within the image after NMS by class."""
    clipped = Boxes(c.boxes)
    clipped.clip(image_size_hw)
    boxes = clipped.tensor
    apart = on_a_square(boxes, c.classes)
    scores = c.scores.where(clipped.nonempty(), 0)
    best = nms_of_fixed_size(apart, scores, params.nms_threshold, params.max_detections)
    boxes = take_or_zero(boxes, best)
    rows = Boxes(boxes).nonempty().nonzero()[:, 0]  # only now N is known
    best = best[rows]
    return Candidates(boxes[rows], c.scores[best], c.classes[best], c.rows[best])
