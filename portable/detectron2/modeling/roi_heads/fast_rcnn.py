"""The last layers of a box head: class scores and box refinement.

Source: Fast R-CNN (arXiv 1504.08083). Boxes are (x1, y1, x2, y2) in pixels of the network input.
Shapes: R regions of the whole batch, C classes (the background is index C), K boxes per region (1 if
class-agnostic, else C).
"""

from collections.abc import Callable
from functools import partial

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import Linear, ShapeSpec, cat, cross_entropy, nonzero_tuple
from detectron2.structures import Instances
from torch import nn

from ..box_regression import Box2BoxTransform, _dense_box_regression_loss
from .box_inference import fast_rcnn_inference, fast_rcnn_inference_single_image
from .class_losses import (
    _log_classification_stats,
    class_frequency_weights,
    sample_federated_classes,
    sigmoid_classification_loss,
)

__all__ = ["FastRCNNOutputLayers", "fast_rcnn_inference", "fast_rcnn_inference_single_image"]

# (class logits (R, C + 1), box deltas (R, 4 * K))
Predictions = tuple[torch.Tensor, torch.Tensor]


class FastRCNNOutputLayers(nn.Module):
    """Predicts class logits and box deltas of regions, and turns them into losses or detections.

    Args:
        input_shape: shape of a region's feature; an int is its width.
        box2box_transform: relates proposals and predicted boxes.
        num_classes: C.
        test_score_thresh, test_nms_thresh, test_topk_per_image: see `fast_rcnn_inference`.
        cls_agnostic_bbox_reg: one box per region instead of one per class.
        smooth_l1_beta, box_reg_loss_type: see `box_regression_loss`.
        loss_weight: factor of every loss, or of each by name.
        use_fed_loss: restrict the sigmoid loss to sampled classes.
        use_sigmoid_ce: independent sigmoids per class instead of a softmax.
        get_fed_loss_cls_weights: makes the (C,) drawing weights of the sampled classes.
        fed_loss_num_classes: see `sample_federated_classes`.

    Raises:
        ValueError: federated loss without the sigmoid loss, or weights of another length.
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
        width = _flat_width(input_shape)
        num_boxes = 1 if cls_agnostic_bbox_reg else num_classes
        self.num_classes = num_classes
        self.cls_score = _linear(width, num_classes + 1, std=0.01)
        self.bbox_pred = _linear(width, num_boxes * len(box2box_transform.weights), std=0.001)
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
            self._init_federated_loss(get_fed_loss_cls_weights)

    def _init_federated_loss(self, get_weights: Callable[[], torch.Tensor] | None) -> None:
        if not self.use_sigmoid_ce:
            raise ValueError("USE_FED_LOSS needs the sigmoid loss: set USE_SIGMOID_CE True")
        if get_weights is None:
            raise ValueError("use_fed_loss needs get_fed_loss_cls_weights")
        weights = get_weights()
        if len(weights) != self.num_classes:
            raise ValueError(
                f"federated loss: {len(weights)} class weights for {self.num_classes} classes; "
                "NUM_CLASSES must be that of the training dataset"
            )
        # Comes from the dataset's metadata: not part of checkpoints.
        self.register_buffer("fed_loss_cls_weights", weights, persistent=False)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict:
        """Returns constructor arguments from `MODEL.ROI_BOX_HEAD` and `MODEL.ROI_HEADS`."""
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
            "get_fed_loss_cls_weights": partial(_first_dataset_weights, cfg),
            "fed_loss_num_classes": head.FED_LOSS_NUM_CLASSES,
        }

    def forward(self, x: torch.Tensor) -> Predictions:
        """Returns class logits (R, C + 1) and box deltas (R, 4 * K) of features (R, ...)."""
        x = x.flatten(start_dim=1)
        return self.cls_score(x), self.bbox_pred(x)

    def losses(
        self, predictions: Predictions, proposals: list[Instances]
    ) -> dict[str, torch.Tensor]:
        """Returns `loss_cls` and `loss_box_reg`.

        Args:
            predictions: what `forward` returned for the regions.
            proposals: per image, with `proposal_boxes`, `gt_classes` and, where the image has
                objects, `gt_boxes`; R in all.
        """
        class_logits, deltas = predictions
        gt_classes = _cat_or_empty([p.gt_classes for p in proposals], deltas.device)
        _log_classification_stats(class_logits, gt_classes)
        proposal_boxes = _cat_boxes([p.proposal_boxes.tensor for p in proposals], deltas)
        assert not proposal_boxes.requires_grad, "proposals must not carry gradients"
        targets = [p.gt_boxes if p.has("gt_boxes") else p.proposal_boxes for p in proposals]
        gt_boxes = _cat_boxes([boxes.tensor for boxes in targets], deltas)
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
        """Returns the sigmoid loss, over sampled classes if `use_fed_loss`."""
        class_weight = None
        if self.use_fed_loss and len(gt_classes) > 0:
            sampled = sample_federated_classes(
                gt_classes, self.fed_loss_num_classes, self.num_classes, self.fed_loss_cls_weights
            )
            class_weight = pred_class_logits.new_zeros(self.num_classes + 1)
            class_weight[sampled] = 1
            class_weight = class_weight[:-1]
        return sigmoid_classification_loss(pred_class_logits, gt_classes, class_weight)

    def box_reg_loss(
        self,
        proposal_boxes: torch.Tensor,
        gt_boxes: torch.Tensor,
        pred_deltas: torch.Tensor,
        gt_classes: torch.Tensor,
    ) -> torch.Tensor:
        """Returns the box loss summed over foreground regions, divided by all R regions.

        The divisor makes every region weigh the same in the batch, however many are foreground.

        Args:
            proposal_boxes: (R, 4).
            gt_boxes: (R, 4); rows of background are not used.
            pred_deltas: (R, 4 * K).
            gt_classes: (R,) int64 in [0, C].
        """
        (foreground,) = nonzero_tuple((gt_classes >= 0) & (gt_classes < self.num_classes))
        deltas = _split_boxes(pred_deltas[foreground])  # (F, K, 4)
        box_index = 0 if deltas.shape[1] == 1 else gt_classes[foreground]
        deltas = deltas[torch.arange(len(foreground), device=deltas.device), box_index]
        total = _dense_box_regression_loss(
            [proposal_boxes[foreground]],
            self.box2box_transform,
            [deltas[None]],
            [gt_boxes[foreground]],
            ...,
            self.box_reg_loss_type,
            self.smooth_l1_beta,
        )
        return total / max(gt_classes.numel(), 1)

    def inference(
        self, predictions: Predictions, proposals: list[Instances]
    ) -> tuple[list[Instances], list[torch.Tensor]]:
        """Returns what `fast_rcnn_inference` does for the regions' predictions."""
        return fast_rcnn_inference(
            self.predict_boxes(predictions, proposals),
            self.predict_probs(predictions, proposals),
            [p.image_size for p in proposals],
            self.test_score_thresh,
            self.test_nms_thresh,
            self.test_topk_per_image,
        )

    def predict_boxes_for_gt_classes(
        self, predictions: Predictions, proposals: list[Instances]
    ) -> tuple[torch.Tensor, ...]:
        """Returns, per image, the predicted box (R_image, 4) of each region's `gt_classes`.

        Background regions get the box of the last class.
        """
        chosen = []
        for boxes, image in zip(self.predict_boxes(predictions, proposals), proposals, strict=True):
            boxes = _split_boxes(boxes)  # (R_image, K, 4)
            box_index = image.gt_classes.clamp(min=0, max=boxes.shape[1] - 1)
            chosen.append(boxes[torch.arange(len(boxes), device=boxes.device), box_index])
        return tuple(chosen)

    def predict_boxes(
        self, predictions: Predictions, proposals: list[Instances]
    ) -> tuple[torch.Tensor, ...]:
        """Returns, per image, the predicted boxes (R_image, 4 * K), not clipped."""
        if not proposals:
            return ()
        _, deltas = predictions
        proposal_boxes = cat([p.proposal_boxes.tensor for p in proposals])
        boxes = self.box2box_transform.apply_deltas(deltas, proposal_boxes)
        return boxes.split([len(p) for p in proposals])

    def predict_probs(
        self, predictions: Predictions, proposals: list[Instances]
    ) -> tuple[torch.Tensor, ...]:
        """Returns, per image, class probabilities (R_image, C + 1)."""
        class_logits, _ = predictions
        probs = class_logits.sigmoid() if self.use_sigmoid_ce else class_logits.softmax(dim=-1)
        return probs.split([len(p) for p in proposals])


def _first_dataset_weights(cfg: CfgNode) -> torch.Tensor:
    return class_frequency_weights(
        cfg.DATASETS.TRAIN[0], cfg.MODEL.ROI_BOX_HEAD.FED_LOSS_FREQ_WEIGHT_POWER
    )


def _flat_width(shape: ShapeSpec | int) -> int:
    if isinstance(shape, int):
        return shape
    return shape.channels * (shape.width or 1) * (shape.height or 1)


def _linear(in_features: int, out_features: int, std: float) -> Linear:
    linear = Linear(in_features, out_features)
    nn.init.normal_(linear.weight, std=std)
    nn.init.zeros_(linear.bias)
    return linear


def _split_boxes(boxes: torch.Tensor) -> torch.Tensor:
    """Returns (R, K, 4) from (R, 4 * K)."""
    return boxes.unflatten(1, (boxes.shape[1] // 4, 4))


def _cat_or_empty(classes: list[torch.Tensor], device: torch.device) -> torch.Tensor:
    return cat(classes) if classes else torch.empty(0, dtype=torch.int64, device=device)


def _cat_boxes(boxes: list[torch.Tensor], like: torch.Tensor) -> torch.Tensor:
    return cat(boxes) if boxes else like.new_empty((0, 4))
