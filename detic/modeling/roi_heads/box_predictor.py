"""Class scores and box refinements of one stage, and their losses.

Shapes: B images, R boxes of the batch, N boxes of one image, F feature width, C classes, K
classes of a slice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from detectron2.config import configurable
from detectron2.layers import ShapeSpec, cat, nonzero_tuple
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.structures import Instances
from fvcore.nn import giou_loss, smooth_l1_loss, weight_init
from torch import Tensor, nn

from detic.errors import InputError
from detic.modeling.federated import federated_mask, load_class_frequencies
from detic.modeling.request import RequestedClasses
from detic.modeling.roi_heads.class_losses import sigmoid_class_loss, softmax_class_loss
from detic.modeling.roi_heads.class_scores import StageProbs
from detic.modeling.roi_heads.classifier import (
    ClassifierParams,
    build_classifier,
    class_logits_by_slice,
    normal_linear,
)
from detic.modeling.roi_heads.weak_loss import Statistics, WeakLossParams, weak_loss
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from detic.modeling.supervision import Supervision

# Classes whose (weighted) number of training images is below this have none.
_NO_IMAGES = 1e-4


@dataclass(frozen=True)
class BoxLossParams:
    """How matched boxes train classifier and regressor."""

    use_sigmoid: bool = True
    num_federated: int | None = None  # size of the federated class sample; None: all classes
    ignore_zero_cats: bool = False  # classes without training images cost nothing
    regression: str = "smooth_l1"  # or giou
    smooth_l1_beta: float = 0.0

    @classmethod
    def from_config(cls, cfg) -> "BoxLossParams":
        node = cfg.MODEL.ROI_BOX_HEAD
        if node.BBOX_REG_LOSS_TYPE not in ("smooth_l1", "giou"):
            raise InputError(
                f"unknown MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE {node.BBOX_REG_LOSS_TYPE!r}; "
                "choose smooth_l1 or giou"
            )
        return cls(
            use_sigmoid=node.USE_SIGMOID_CE,
            num_federated=node.FED_LOSS_NUM_CAT if node.USE_FED_LOSS else None,
            ignore_zero_cats=node.IGNORE_ZERO_CATS,
            regression=node.BBOX_REG_LOSS_TYPE,
            smooth_l1_beta=node.SMOOTH_L1_BETA,
        )


class BoxPredictor(nn.Module):
    """Classification, linear or by text embeddings, and class-agnostic box refinement."""

    freq_weight: Tensor  # (C,) drawing weights of the classes, where a loss needs them

    @configurable
    def __init__(
        self,
        *,
        cls_score: ZeroShotClassifier | nn.Linear,
        bbox_pred: nn.Module,
        prop_score: nn.Module | None,
        box2box_transform: Box2BoxTransform,
        class_frequencies: Tensor | None,
        box_loss: BoxLossParams,
        weak_loss: WeakLossParams,
    ):
        """``class_frequencies``: (C,) drawing weights, where a loss needs them."""
        super().__init__()
        self.cls_score = cls_score
        self.bbox_pred = bbox_pred
        self.prop_score = prop_score
        self.box2box_transform = box2box_transform
        self.box_loss_params = box_loss
        self.weak_loss_params = weak_loss
        if class_frequencies is not None:
            self.register_buffer("freq_weight", class_frequencies)

    @classmethod
    def from_config(cls, cfg, input_shape: ShapeSpec, box_weights: Sequence[float]) -> dict:
        """``box_weights``: factors on the four box deltas in this stage."""
        node = cfg.MODEL.ROI_BOX_HEAD
        if not node.CLS_AGNOSTIC_BBOX_REG:
            raise InputError(
                "boxes are refined once for all classes: set CLS_AGNOSTIC_BBOX_REG True"
            )
        width = input_shape.channels * (input_shape.height or 1) * (input_shape.width or 1)
        prop_score = None
        if node.WITH_SOFTMAX_PROP:
            prop_score = _mlp(width, cfg.MODEL.ROI_HEADS.NUM_CLASSES + 1)
        return {
            "cls_score": build_classifier(ClassifierParams.from_config(cfg), width),
            "bbox_pred": (_mlp if node.USE_ZEROSHOT_CLS else normal_linear)(width, 4),
            "prop_score": prop_score,
            "box2box_transform": Box2BoxTransform(weights=tuple(box_weights)),
            "class_frequencies": _class_frequencies(node, cfg.MODEL.ROI_HEADS.NUM_CLASSES),
            "box_loss": BoxLossParams.from_config(cfg),
            "weak_loss": WeakLossParams.from_config(cfg),
        }

    def class_logits(self, x: Tensor, supervision: Supervision) -> Tensor:
        """Return logits (R, C + 1), background last, of box features ``x`` (R, F)."""
        if supervision.classes is None:
            return self.cls_score(x)
        return self.cls_score(x, supervision.classes.embeddings)

    def stage_probs(self, x: Tensor, classes: RequestedClasses | None) -> StageProbs:
        """Return a function from a slice of the classes to probabilities (R, K) of boxes ``x``.

        Args:
            classes: those to look for; None: the model's own.
        """
        columns = None if classes is None else classes.columns
        logits = class_logits_by_slice(self.cls_score, x, columns)
        if self.box_loss_params.use_sigmoid:
            return lambda classes: logits(classes).sigmoid_()
        normalizer = logits(slice(None)).logsumexp(dim=1, keepdim=True)
        return lambda classes: (logits(classes) - normalizer).exp()

    def losses(
        self,
        x: Tensor,
        deltas: Tensor,
        proposals: list[Instances],
        supervision: Supervision,
        foreground: Tensor | None = None,
        box_weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return ``loss_cls`` and ``loss_box_reg`` of boxes matched to ground truth.

        Args:
            x: (R, F) box features.
            deltas: (R, 4) predicted refinements.
            proposals: B Instances with ``proposal_boxes``, ``gt_classes`` (C: background) and,
                in images with ground truth, ``gt_boxes``.
            foreground: (M,) int64 indices of the foreground boxes, where the caller has looked them
                up for several stages at once.
            box_weights: (R,) of the boxes in both losses; None: 1.
        """
        class_logits = self.class_logits(x, supervision)
        gt_columns = supervision.columns(cat([p.gt_classes for p in proposals]))
        if foreground is None:
            foreground = nonzero_tuple(gt_columns < class_logits.shape[1] - 1)[0]
        boxes = cat([p.proposal_boxes.tensor for p in proposals])
        gt_boxes = cat(
            [(p.gt_boxes if p.has("gt_boxes") else p.proposal_boxes).tensor for p in proposals]
        )
        return {
            "loss_cls": self._class_loss(
                class_logits,
                gt_columns,
                _of_boxes(supervision.labelled_columns(), proposals),
                box_weights,
            ),
            "loss_box_reg": self._box_loss(deltas, boxes, gt_boxes, foreground, box_weights),
        }

    def image_label_losses(
        self, x: Tensor, deltas: Tensor, proposals: list[Instances], supervision: Supervision
    ) -> tuple[dict[str, Tensor], Statistics]:
        """Return ``image_loss`` of images annotated with labels or captions, and its statistics.

        ``loss_cls`` and ``loss_box_reg`` are 0, so that all batches have the same keys.
        """
        captions = supervision.captions
        loss, statistics = weak_loss(
            self.class_logits(x, supervision),
            None if self.prop_score is None else self.prop_score(x),
            None if captions is None else self.cls_score(x, captions.embeddings),
            proposals,
            supervision,
            self.weak_loss_params,
        )
        zero = deltas[:0].sum()
        return {"image_loss": loss, "loss_cls": zero, "loss_box_reg": zero.clone()}, statistics

    def refine_boxes(self, deltas: Tensor, proposals: list[Instances]) -> list[Tensor]:
        """Return each image's refined boxes (N, 4) xyxy from ``deltas`` (R, 4)."""
        boxes = cat([p.proposal_boxes.tensor for p in proposals])
        refined = self.box2box_transform.apply_deltas(deltas, boxes)
        return list(refined.split([len(p) for p in proposals]))

    def _class_loss(
        self,
        class_logits: Tensor,
        gt_classes: Tensor,
        labelled: Tensor | None = None,
        box_weights: Tensor | None = None,
    ) -> Tensor:
        """``labelled``: (R, C) bool, the classes that the image of each box is labelled for."""
        params = self.box_loss_params
        num_classes = class_logits.shape[1] - 1
        masks: list[Tensor] = []  # (C,) of 0 and 1
        if params.ignore_zero_cats:
            masks.append(self.freq_weight.gt(_NO_IMAGES).float())
        if params.num_federated is not None:
            frequencies = self.freq_weight
            if labelled is not None:  # classes that cost nothing take no place in the sample
                frequencies = frequencies * labelled.any(dim=0)
            masks.append(federated_mask(gt_classes, params.num_federated, num_classes, frequencies))
        if not params.use_sigmoid:
            # Ignoring classes excludes the federated sample here; with sigmoids they combine.
            return softmax_class_loss(class_logits, gt_classes, masks[0] if masks else None)
        if labelled is not None:
            masks.append(labelled.float())
        if box_weights is not None:
            masks.append(box_weights[:, None])
        return sigmoid_class_loss(
            class_logits, gt_classes, reduce(torch.mul, masks) if masks else None
        )

    def _box_loss(
        self,
        deltas: Tensor,
        boxes: Tensor,
        gt_boxes: Tensor,
        fg: Tensor,
        box_weights: Tensor | None = None,
    ) -> Tensor:
        """Return the regression loss of the foreground ``fg``, summed, over the number of boxes."""
        reduction = "sum" if box_weights is None else "none"
        if self.box_loss_params.regression == "giou":
            refined = self.box2box_transform.apply_deltas(deltas[fg], boxes[fg])
            loss = giou_loss(refined, gt_boxes[fg], reduction=reduction)
        else:
            target = self.box2box_transform.get_deltas(boxes[fg], gt_boxes[fg])
            beta = self.box_loss_params.smooth_l1_beta
            loss = smooth_l1_loss(deltas[fg], target, beta, reduction=reduction)
        if box_weights is not None:
            per_row = [1] * (loss.dim() - 1)
            loss = (loss * box_weights[fg].view(-1, *per_row)).sum()
        return loss / max(len(boxes), 1)


def _of_boxes(labelled: Tensor | None, proposals: list[Instances]) -> Tensor | None:
    """Return for each box (R, C) what is said of its image (B, C)."""
    if labelled is None:
        return None
    pairs = zip(labelled, proposals, strict=True)
    return torch.cat([of_image.expand(len(p), -1) for of_image, p in pairs])


def _mlp(width: int, out_features: int) -> nn.Sequential:
    """Return a perceptron with one hidden layer as wide as the input."""
    hidden = nn.Linear(width, width)
    weight_init.c2_xavier_fill(hidden)
    return nn.Sequential(hidden, nn.ReLU(inplace=True), normal_linear(width, out_features))


def _class_frequencies(node, num_classes: int) -> Tensor | None:
    """Return the drawing weights (C,), where a loss of ``node`` (ROI_BOX_HEAD) needs them.

    Classes behind the last of the file are never drawn, but count where they occur. To ignore
    classes without images takes the frequencies of all, as those left out would never be trained.
    """
    if not (node.USE_FED_LOSS or node.IGNORE_ZERO_CATS):
        return None
    frequencies = load_class_frequencies(node.CAT_FREQ_PATH, node.FED_LOSS_FREQ_WEIGHT)
    count = len(frequencies)
    if count > num_classes or (node.IGNORE_ZERO_CATS and count < num_classes):
        raise InputError(
            f"MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH {node.CAT_FREQ_PATH!r} has {count} classes, the model "
            f"has {num_classes} (MODEL.ROI_HEADS.NUM_CLASSES); name the frequencies of its classes"
        )
    with_images = int((frequencies > 0).sum())
    if node.USE_FED_LOSS and with_images < node.FED_LOSS_NUM_CAT:
        raise InputError(
            f"the federated loss samples {node.FED_LOSS_NUM_CAT} classes, but only {with_images} of "
            f"{node.CAT_FREQ_PATH!r} have images; "
            f"set MODEL.ROI_BOX_HEAD.FED_LOSS_NUM_CAT to {with_images} or less"
        )
    return torch.cat([frequencies, frequencies.new_zeros(num_classes - count)])
