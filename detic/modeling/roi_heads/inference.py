"""Class scores to detections, for any number of classes.

Shapes: B images, R boxes of the batch, N boxes of one image, C classes, K classes of a chunk,
M candidates (a box with one of its classes) of one image, F feature width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from detectron2.structures import Boxes, Instances
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import nms

from centernet.nms_in_graphs import on_a_square
from detic.errors import InputError
from detic.modeling.request import DetectionRequest
from detic.modeling.roi_heads.candidates import Candidates, likeliest_classes, top_candidates
from detic.modeling.roi_heads.class_scores import ClassScores, ScoreParams, StageProbs
from detic.modeling.roi_heads.classifier import CLOSED
from detic.modeling.roi_heads.mask_prediction import MaskingHeads, add_masks
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier

# First number of candidates per wanted detection; NMS removes most.
_CANDIDATES_PER_DETECTION = 8


@dataclass(frozen=True, eq=False)
class ClassifiedBoxes:
    """The refined boxes of all images, and how likely they are of each class."""

    stages: Sequence[StageProbs]  # class probabilities of the R boxes by stage
    proposal_scores: Tensor  # (R,) of the first stage's proposals, in (0, 1)
    boxes_xyxy: Sequence[Tensor]  # B tensors (N, 4) in pixels
    x: Tensor  # (R, F) features that the classifier reads
    classifier: ZeroShotClassifier | nn.Linear  # of the last stage


class ClassifyingHeads(MaskingHeads, Protocol):
    """Heads that find boxes and compare them with classes."""

    num_classes: int
    score_params: ScoreParams  # a request may have another limit

    def classify_boxes(
        self, features: dict[str, Tensor], proposals: list[Instances], request: DetectionRequest
    ) -> ClassifiedBoxes: ...


def detect_requested(
    heads: ClassifyingHeads,
    features: dict[str, Tensor],
    proposals: list[Instances],
    request: DetectionRequest,
) -> list[Instances]:
    """Return the detections of each image as :func:`detect` does, with what is requested.

    Args:
        features: maps (B, channels, height, width) by name.
        proposals: B Instances with ``proposal_boxes`` and ``objectness_logits``.
    """
    boxes = heads.classify_boxes(features, proposals, request)
    params = heads.score_params.limited_to(request.max_detections)
    scores = ClassScores(
        boxes.stages, heads.num_classes, boxes.proposal_scores, params, request.classes
    )
    detections = detect(scores, boxes.boxes_xyxy, [p.image_size for p in proposals], params)
    boxes_per_image = [len(of_image) for of_image in boxes.boxes_xyxy]
    add_extras(detections, boxes_per_image, boxes.x, scores, boxes.classifier, request)
    if not request.masks:
        return detections
    return add_masks(heads, features, detections, request.precision.heads)


def detect(
    scores: ClassScores,
    boxes_xyxy: Sequence[Tensor],
    image_sizes_hw: Sequence[tuple[int, int]],
    params: ScoreParams,
) -> list[Instances]:
    """Return the detections of each image after class-wise NMS, highest score first.

    Args:
        scores: of the R boxes of all images.
        boxes_xyxy: B tensors (N, 4) in pixels.

    Returns:
        B Instances with ``pred_boxes`` (clipped to the image), ``scores``, ``pred_classes`` and
        ``box_index`` (int64 into the image's boxes).
    """
    clipped = [
        _clip(boxes, size_hw) for boxes, size_hw in zip(boxes_xyxy, image_sizes_hw, strict=True)
    ]
    chosen = _choose(scores, clipped, params)
    return [
        _instances(boxes, size_hw, *of_image)
        for boxes, size_hw, of_image in zip(clipped, image_sizes_hw, chosen, strict=True)
    ]


def add_extras(
    detections: Sequence[Instances],
    boxes_per_image: Sequence[int],
    x: Tensor,
    scores: ClassScores,
    classifier: ZeroShotClassifier | nn.Linear,
    request: DetectionRequest,
) -> None:
    """Add what is asked for to the detections: ``region_embeddings``, ``class_scores``.

    Args:
        detections: B Instances with ``box_index``.
        x: (R, F) features that ``classifier``, of the last stage, reads.
        scores: of the R boxes of all images.

    Raises:
        InputError: embeddings are asked for of a classifier that has none.
    """
    first = 0
    for d, num_boxes in zip(detections, boxes_per_image, strict=True):
        index = d.box_index + first  # (M,) into the R boxes
        if request.region_embeddings:
            if not isinstance(classifier, ZeroShotClassifier):
                raise InputError(CLOSED)
            d.region_embeddings = F.normalize(classifier.embed(x[index]), dim=1)
        if request.class_scores:
            d.class_scores = scores.of_boxes(index)
        first += num_boxes


def classwise_nms(boxes_xyxy: Tensor, classes: Tensor, scores: Tensor, iou: float) -> Tensor:
    """Return the indices that survive NMS within each class, highest score first.

    Classes are laid out side by side on one plane, in float64 on a processor: neighbouring float32
    numbers are pixels apart where thousands of classes lie in a row.

    Args:
        boxes_xyxy: (M, 4), not negative.
        classes: (M,) int64.
        scores: (M,).
    """
    if len(boxes_xyxy) == 0:
        return classes
    if boxes_xyxy.device.type != "cpu":
        return nms(on_a_square(boxes_xyxy, classes), scores, iou)
    boxes = boxes_xyxy.double()
    offsets = classes.double() * (boxes.max() + 1)
    return nms(boxes + offsets[:, None], scores.double(), iou)


def _choose(
    scores: ClassScores, boxes_xyxy: Sequence[Tensor], params: ScoreParams
) -> list[tuple[Candidates, Tensor]]:
    """Return each image's candidates and the indices of those that are its detections."""
    wanted = params.max_detections if params.max_detections >= 0 else None  # None: all
    boxes_per_image = [len(boxes) for boxes in boxes_xyxy]
    limit = sum(boxes_per_image) * scores.num_classes
    if wanted is not None:
        limit = _CANDIDATES_PER_DETECTION * wanted
    while True:
        if params.one_class_per_proposal:
            candidates = likeliest_classes(scores, boxes_per_image)
        else:
            candidates = top_candidates(scores, boxes_per_image, limit)
        kept = [
            classwise_nms(boxes[c.boxes], c.classes, c.scores, params.nms_threshold)
            for boxes, c in zip(boxes_xyxy, candidates, strict=True)
        ]
        # Whether a candidate survives depends on higher-scoring ones only, so a prefix of the
        # candidates decides once it leaves enough detections.
        if all(
            c.is_complete or len(k) >= params.max_detections
            for c, k in zip(candidates, kept, strict=True)
        ):
            return [(c, k[:wanted]) for c, k in zip(candidates, kept, strict=True)]
        limit *= 4


def _clip(boxes_xyxy: Tensor, image_size_hw: tuple[int, int]) -> Tensor:
    boxes = Boxes(boxes_xyxy.clone())
    boxes.clip(image_size_hw)
    return boxes.tensor


def _instances(
    boxes: Tensor, image_size_hw: tuple[int, int], candidates: Candidates, kept: Tensor
) -> Instances:
    index = candidates.boxes[kept]
    return Instances(
        image_size_hw,
        pred_boxes=Boxes(boxes[index]),
        scores=candidates.scores[kept],
        pred_classes=candidates.classes[kept],
        box_index=index,
    )
