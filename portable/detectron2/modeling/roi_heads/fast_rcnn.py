"""The last layers of a box head: class scores and box refinement, and the detections from them.

Source: Fast R-CNN (arXiv 1504.08083). Boxes are (x1, y1, x2, y2) in pixels of the network input.
Shapes: R regions of the whole batch (of one image in the functions on images), C classes (the
background is index C), K boxes per region (1 if class-agnostic, else C), D detections.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.data.detection_utils import get_fed_loss_cls_weights
from detectron2.layers import Linear, ShapeSpec, batched_nms, cat, cross_entropy, nonzero_tuple
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import get_event_storage
from torch import nn

from .._regression_loss import box_regression_loss
from ..box_regression import Box2BoxTransform

# (class logits (R, C + 1), box deltas (R, 4 * K))
_Predictions = tuple[torch.Tensor, torch.Tensor]


def fast_rcnn_inference(
    boxes: list[torch.Tensor],
    scores: list[torch.Tensor],
    image_shapes: list[tuple[int, int]],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[list[Instances], list[torch.Tensor]]:
    """Return the detections of each image and the regions they come from.

    Args:
        boxes: per image (R, 4 * K).
        scores: per image (R, C + 1) probabilities, background last.
        image_shapes: (height, width) of each image without padding.
        score_thresh: detections score above this.
        nms_thresh: IoU above which the lower score of the same class is dropped.
        topk_per_image: most detections per image; negative for all.

    Returns:
        Per image, Instances with `pred_boxes`, `scores` and `pred_classes`, best first; and (D,)
        int64 indices of regions.
    """
    results = [
        fast_rcnn_inference_single_image(
            image_boxes, image_scores, image_shape, score_thresh, nms_thresh, topk_per_image
        )
        for image_boxes, image_scores, image_shape in zip(boxes, scores, image_shapes, strict=True)
    ]
    return [instances for instances, _ in results], [regions for _, regions in results]


def fast_rcnn_inference_single_image(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    image_shape: tuple[int, int],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[Instances, torch.Tensor]:
    """Return the detections of one image and their regions; see `fast_rcnn_inference`.

    The indices count the regions whose boxes and scores are finite.
    """
    finite = torch.isfinite(boxes).all(dim=1) & torch.isfinite(scores).all(dim=1)
    boxes, scores = boxes[finite], scores[finite, :-1]
    num_boxes = boxes.shape[1] // 4
    clipped = Boxes(boxes.reshape(-1, 4))
    clipped.clip(image_shape)
    boxes = clipped.tensor.view(-1, num_boxes, 4)  # (R, K, 4)

    regions, classes = nonzero_tuple(scores > score_thresh)
    candidate_boxes = boxes[regions, 0 if num_boxes == 1 else classes]
    candidate_scores = scores[regions, classes]
    keep = batched_nms(candidate_boxes, candidate_scores, classes, nms_thresh)
    if topk_per_image >= 0:
        keep = keep[:topk_per_image]
    result = Instances(
        image_shape,
        pred_boxes=Boxes(candidate_boxes[keep]),
        scores=candidate_scores[keep],
        pred_classes=classes[keep],
    )
    return result, regions[keep]


def _log_classification_stats(
    pred_logits: torch.Tensor, gt_classes: torch.Tensor, prefix: str = "fast_rcnn"
) -> None:
    """Record how many regions the logits (R, C + 1) classify correctly.

    They are the metrics `cls_accuracy`, `fg_cls_accuracy` of foreground regions and
    `false_negative`, the part of those that is taken for background.
    """
    if len(gt_classes) == 0:
        return
    predicted = pred_logits.argmax(dim=1)
    background = pred_logits.shape[1] - 1
    foreground = (gt_classes >= 0) & (gt_classes < background)
    correct = predicted == gt_classes
    storage = get_event_storage()
    storage.put_scalar(f"{prefix}/cls_accuracy", correct.float().mean())
    if foreground.any():
        missed = predicted[foreground] == background
        storage.put_scalar(f"{prefix}/fg_cls_accuracy", correct[foreground].float().mean())
        storage.put_scalar(f"{prefix}/false_negative", missed.float().mean())


class FastRCNNOutputLayers(nn.Module):
    """Predicts class logits and box deltas of regions, and turns them into losses or detections.

    Args:
        input_shape: shape of a region's feature; an int is its width.
        test_score_thresh, test_nms_thresh, test_topk_per_image: see `fast_rcnn_inference`.
        cls_agnostic_bbox_reg: one box per region instead of one per class.
        smooth_l1_beta, box_reg_loss_type: see `box_regression_loss`.
        loss_weight: factor of every loss, or of each by name.
        use_fed_loss: a region is no negative of classes outside a sample that holds the classes of
            the batch and random others; with `use_sigmoid_ce` only.
        use_sigmoid_ce: independent sigmoids per class instead of a softmax.
        get_fed_loss_cls_weights: () -> (C,) weights of the classes in that sample; None for equal
            ones.
        fed_loss_num_classes: number of classes in the sample.
    """

    @configurable
    def __init__(
        self,
        input_shape: ShapeSpec | int,
        *,
        box2box_transform: Box2BoxTransform,
        num_classes: int,
        test_score_thresh: float = 0.0,
        test_nms_thresh: float = 0.5,
        test_topk_per_image: int = 100,
        cls_agnostic_bbox_reg: bool = False,
        smooth_l1_beta: float = 0.0,
        box_reg_loss_type: str = "smooth_l1",
        loss_weight: float | dict[str, float] = 1.0,
        use_fed_loss: bool = False,
        use_sigmoid_ce: bool = False,
        get_fed_loss_cls_weights: Callable[[], torch.Tensor] | None = None,
        fed_loss_num_classes: int = 50,
    ):
        super().__init__()
        if use_fed_loss and not use_sigmoid_ce:
            raise ValueError(
                "MODEL.ROI_BOX_HEAD.USE_FED_LOSS needs MODEL.ROI_BOX_HEAD.USE_SIGMOID_CE True"
            )
        if isinstance(input_shape, int):
            input_shape = ShapeSpec(channels=input_shape)
        width = input_shape.channels * (input_shape.width or 1) * (input_shape.height or 1)
        num_boxes = 1 if cls_agnostic_bbox_reg else num_classes
        self.num_classes = num_classes
        self.cls_score = _linear(width, num_classes + 1, std=0.01)
        self.bbox_pred = _linear(width, num_boxes * 4, std=0.001)
        self.box2box_transform = box2box_transform
        self.smooth_l1_beta = smooth_l1_beta
        self.test_score_thresh = test_score_thresh
        self.test_nms_thresh = test_nms_thresh
        self.test_topk_per_image = test_topk_per_image
        self.box_reg_loss_type = box_reg_loss_type
        if not isinstance(loss_weight, dict):
            loss_weight = {"loss_cls": loss_weight, "loss_box_reg": loss_weight}
        self.loss_weight = loss_weight
        self.use_sigmoid_ce = use_sigmoid_ce
        self.use_fed_loss = use_fed_loss
        self.fed_loss_num_classes = fed_loss_num_classes
        if use_fed_loss:
            weights = None if get_fed_loss_cls_weights is None else get_fed_loss_cls_weights()
            if weights is not None and len(weights) != num_classes:
                raise ValueError(
                    f"{len(weights)} weights of the federated loss, {num_classes} classes"
                )
            self.register_buffer("fed_loss_cls_weights", weights, persistent=False)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict:
        head = cfg.MODEL.ROI_BOX_HEAD
        return {
            "input_shape": input_shape,
            "box2box_transform": Box2BoxTransform(weights=head.BBOX_REG_WEIGHTS),
            "num_classes": cfg.MODEL.ROI_HEADS.NUM_CLASSES,
            "cls_agnostic_bbox_reg": head.CLS_AGNOSTIC_BBOX_REG,
            "smooth_l1_beta": head.SMOOTH_L1_BETA,
            "test_score_thresh": cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST,
            "test_nms_thresh": cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST,
            "test_topk_per_image": cfg.TEST.DETECTIONS_PER_IMAGE,
            "box_reg_loss_type": head.BBOX_REG_LOSS_TYPE,
            "loss_weight": {"loss_box_reg": head.BBOX_REG_LOSS_WEIGHT},
            "use_fed_loss": head.USE_FED_LOSS,
            "use_sigmoid_ce": head.USE_SIGMOID_CE,
            "get_fed_loss_cls_weights": lambda: get_fed_loss_cls_weights(
                cfg.DATASETS.TRAIN, head.FED_LOSS_FREQ_WEIGHT_POWER
            ),
            "fed_loss_num_classes": head.FED_LOSS_NUM_CLASSES,
        }

    def forward(self, x: torch.Tensor) -> _Predictions:
        """Return class logits (R, C + 1) and box deltas (R, 4 * K) of features (R, ...)."""
        x = x.flatten(start_dim=1)
        return self.cls_score(x), self.bbox_pred(x)

    def losses(
        self, predictions: _Predictions, proposals: list[Instances]
    ) -> dict[str, torch.Tensor]:
        """Return `loss_cls` and `loss_box_reg`.

        The proposals have `proposal_boxes`, `gt_classes` and, where the image has objects,
        `gt_boxes`.
        """
        class_logits, deltas = predictions
        gt_classes = cat([p.gt_classes for p in proposals])
        targets = [p.gt_boxes if p.has("gt_boxes") else p.proposal_boxes for p in proposals]
        proposal_boxes = cat([p.proposal_boxes.tensor for p in proposals])
        gt_boxes = cat([boxes.tensor for boxes in targets])
        _log_classification_stats(class_logits, gt_classes)
        if self.use_sigmoid_ce:
            loss_cls = self.sigmoid_cross_entropy_loss(class_logits, gt_classes)
        else:
            loss_cls = cross_entropy(class_logits, gt_classes, reduction="mean")
        losses = {
            "loss_cls": loss_cls,
            "loss_box_reg": self.box_reg_loss(proposal_boxes, gt_boxes, deltas, gt_classes),
        }
        return {name: loss * self.loss_weight.get(name, 1.0) for name, loss in losses.items()}

    def sigmoid_cross_entropy_loss(
        self, pred_class_logits: torch.Tensor, gt_classes: torch.Tensor
    ) -> torch.Tensor:
        """Return binary cross entropy summed over classes and averaged over regions.

        The background column of `pred_class_logits` (R, C + 1) has no part in the loss.
        """
        logits = pred_class_logits[:, :-1]
        targets = F.one_hot(gt_classes, pred_class_logits.shape[1])[:, :-1].to(logits.dtype)
        losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        if self.use_fed_loss:
            sampled = self.get_fed_loss_classes(
                gt_classes, self.fed_loss_num_classes, self.num_classes, self.fed_loss_cls_weights
            )
            losses = losses[:, sampled[sampled < self.num_classes]]
        return losses.sum() / max(len(logits), 1)

    def get_fed_loss_classes(
        self,
        gt_classes: torch.Tensor,
        num_fed_loss_classes: int,
        num_classes: int,
        weight: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return the classes of `gt_classes` and random others, up to a number, (S,) int64.

        The background, class `num_classes`, is among them if it is in `gt_classes`, and is not
        drawn. `weight` (num_classes,) says how likely the others are.

        Source: Zhou et al., Probabilistic two-stage detection (arXiv 2103.07461), section 5.
        """
        present = gt_classes.unique()
        missing = num_fed_loss_classes - len(present)
        if missing <= 0:
            return present
        chances = present.new_ones(num_classes + 1, dtype=torch.float32)
        if weight is not None:
            chances[:-1] = weight
        chances[-1] = 0
        chances[present] = 0
        missing = min(missing, int((chances > 0).sum()))
        if missing == 0:
            return present
        return torch.cat([present, chances.multinomial(missing, replacement=False)])

    def box_reg_loss(
        self,
        proposal_boxes: torch.Tensor,
        gt_boxes: torch.Tensor,
        pred_deltas: torch.Tensor,
        gt_classes: torch.Tensor,
    ) -> torch.Tensor:
        """Return the box loss summed over foreground regions, divided by all R regions.

        The divisor makes every region weigh the same in the batch, however many are foreground.
        Boxes are (R, 4), deltas (R, 4 * K), classes (R,).
        """
        (foreground,) = nonzero_tuple((gt_classes >= 0) & (gt_classes < self.num_classes))
        deltas = pred_deltas.unflatten(1, (pred_deltas.shape[1] // 4, 4))  # (R, K, 4)
        box_index = 0 if deltas.shape[1] == 1 else gt_classes[foreground]
        total = box_regression_loss(
            self.box2box_transform,
            proposal_boxes[foreground],
            deltas[foreground, box_index],
            gt_boxes[foreground],
            self.box_reg_loss_type,
            self.smooth_l1_beta,
        )
        return total / max(len(gt_classes), 1)

    def inference(
        self, predictions: _Predictions, proposals: list[Instances]
    ) -> tuple[list[Instances], list[torch.Tensor]]:
        """Return what `fast_rcnn_inference` does for the regions' predictions."""
        return fast_rcnn_inference(
            self.predict_boxes(predictions, proposals),
            self.predict_probs(predictions, proposals),
            [p.image_size for p in proposals],
            self.test_score_thresh,
            self.test_nms_thresh,
            self.test_topk_per_image,
        )

    def predict_boxes(
        self, predictions: _Predictions, proposals: list[Instances]
    ) -> tuple[torch.Tensor, ...]:
        """Return, per image, the predicted boxes (R_image, 4 * K), not clipped."""
        _, deltas = predictions
        proposal_boxes = cat([p.proposal_boxes.tensor for p in proposals])
        boxes = self.box2box_transform.apply_deltas(deltas, proposal_boxes)
        return boxes.split([len(p) for p in proposals])

    def predict_boxes_for_gt_classes(
        self, predictions: _Predictions, proposals: list[Instances]
    ) -> list[torch.Tensor]:
        """Return, per image, the box (R_image, 4) predicted for the `gt_classes` of each proposal.

        For background it is that of any class.
        """
        boxes = cat(self.predict_boxes(predictions, proposals))
        boxes = boxes.unflatten(1, (boxes.shape[1] // 4, 4))  # (R, K, 4)
        classes = cat([p.gt_classes for p in proposals]).clamp(0, boxes.shape[1] - 1)
        rows = torch.arange(len(boxes), device=boxes.device)
        return list(boxes[rows, classes].split([len(p) for p in proposals]))

    def predict_probs(
        self, predictions: _Predictions, proposals: list[Instances]
    ) -> tuple[torch.Tensor, ...]:
        """Return, per image, class probabilities (R_image, C + 1)."""
        class_logits, _ = predictions
        probs = class_logits.sigmoid() if self.use_sigmoid_ce else class_logits.softmax(dim=-1)
        return probs.split([len(p) for p in proposals])


def _linear(in_features: int, out_features: int, std: float) -> Linear:
    linear = Linear(in_features, out_features)
    nn.init.normal_(linear.weight, std=std)
    nn.init.zeros_(linear.bias)
    return linear
