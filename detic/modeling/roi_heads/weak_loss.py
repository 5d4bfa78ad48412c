"""The loss of a batch that is annotated with image labels or captions.

Shapes: B images, R boxes of the batch, C classes, T captions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from detectron2.structures import Instances
from detectron2.utils.events import get_event_storage
from torch import Tensor

from detic.errors import InputError
from detic.modeling.roi_heads.image_label_losses import (
    PROPOSAL_SELECTORS,
    WEIGHTED_RULES,
    caption_loss,
    selected_proposal_loss,
    weighted_proposal_loss,
)
from detic.modeling.supervision import Supervision
from detic.transfer import send

# Scalars by name, to look at in the course of a training
Statistics = dict[str, Tensor]


@dataclass(frozen=True)
class WeakLossParams:
    """How image labels and captions train the classifier."""

    rule: str = "max_size"  # a key of PROPOSAL_SELECTORS or one of WEIGHTED_RULES
    weight: float = 0.1
    use_softmax: bool = False
    caption_weight: float = 1.0
    negative_caption_weight: float = 1.0

    @classmethod
    def from_config(cls, cfg) -> "WeakLossParams":
        """Return the parameters a recipe asks for; contradictions are an InputError."""
        node = cfg.MODEL.ROI_BOX_HEAD
        _check(node, with_captions=cfg.MODEL.WITH_CAPTION)
        return cls(
            rule=node.IMAGE_LABEL_LOSS,
            weight=node.IMAGE_LOSS_WEIGHT,
            use_softmax=node.SOFTMAX_WEAK_LOSS,
            caption_weight=node.CAPTION_WEIGHT,
            # The captions of one process alone count fully.
            negative_caption_weight=node.NEG_CAP_WEIGHT if cfg.MODEL.SYNC_CAPTION_BATCH else 1.0,
        )


def weak_loss(
    class_logits: Tensor,
    proposal_logits: Tensor | None,
    caption_logits: Tensor | None,
    proposals: Sequence[Instances],
    supervision: Supervision,
    params: WeakLossParams,
) -> tuple[Tensor, Statistics]:
    """Return the weighted sum of the image-label and the caption loss (scalar), and statistics.

    Args:
        class_logits, proposal_logits: (R, C + 1) for the boxes of ``proposals``.
        caption_logits: (R, T).
        proposals: B Instances with ``proposal_boxes``.
    """
    num_boxes = [len(p) for p in proposals]
    loss = class_logits[:0].sum()
    statistics: Statistics = {}
    if supervision.kind.has_image_labels:
        label_loss, statistics = _label_loss(
            class_logits.split(num_boxes),
            None if proposal_logits is None else proposal_logits.split(num_boxes),
            proposals,
            _label_columns(supervision, class_logits.device),
            params,
        )
        statistics["stats_l_image"] = label_loss.detach()
        loss = loss + label_loss
    if supervision.captions is not None and caption_logits is not None:
        matching = caption_loss(
            caption_logits.split(num_boxes),
            supervision.captions.first,
            params.negative_caption_weight,
        )
        statistics["stats_l_caption"] = matching.detach()
        loss = loss + params.caption_weight * matching
    return params.weight * loss, statistics


def _label_columns(supervision: Supervision, device: torch.device) -> list[Tensor]:
    """Return the classifier columns of each image's labels."""
    labels = [label for of_image in supervision.image_labels for label in of_image]
    columns = supervision.columns(send(torch.tensor(labels, dtype=torch.int64), device))
    return list(columns.split([len(of_image) for of_image in supervision.image_labels]))


def _label_loss(
    class_logits: Sequence[Tensor],
    proposal_logits: Sequence[Tensor] | None,
    proposals: Sequence[Instances],
    labels: Sequence[Tensor],
    params: WeakLossParams,
) -> tuple[Tensor, Statistics]:
    if params.rule in WEIGHTED_RULES:
        assert proposal_logits is not None  # from_config asks for them with these rules
        loss, chosen = weighted_proposal_loss(class_logits, proposal_logits, labels)
    else:
        loss, chosen = selected_proposal_loss(
            class_logits,
            [p.proposal_boxes.area() for p in proposals],
            labels,
            PROPOSAL_SELECTORS[params.rule],
            params.use_softmax,
        )
    for i, index in enumerate(chosen):
        if len(index):
            label_logits = class_logits[i].index_select(1, labels[i][:1])
            return loss, _selection(proposals[i], index[:1], label_logits)
    return loss, {}


def _selection(proposals: Instances, index: Tensor, label_logits: Tensor) -> Statistics:
    """Return size and place of the chosen box relative to the image, and its label's best logit.

    Args:
        index: (1,) of the box. A number would be read back from a GPU to index with it.
        label_logits: (N, 1).
    """
    height, width = proposals.image_size
    x1, y1, x2, y2 = proposals.proposal_boxes.tensor[index][0]
    return {
        "stats_select_size": (x2 - x1) * (y2 - y1) / (height * width),
        "stats_select_x": (x1 + x2) / (2 * width),
        "stats_select_y": (y1 + y2) / (2 * height),
        "stats_max_label_score": label_logits.detach().max(),
    }


def put_statistics(statistics: Statistics) -> None:
    """Put statistics into the event storage of the training, which reads them when it writes."""
    get_event_storage().put_scalars(**statistics)


def _check(node, with_captions: bool) -> None:
    """Refuse settings that contradict each other."""
    prefix = "MODEL.ROI_BOX_HEAD"
    rules = [*PROPOSAL_SELECTORS, *WEIGHTED_RULES]
    rule = node.IMAGE_LABEL_LOSS
    if rule not in rules:
        raise InputError(
            f"unknown {prefix}.IMAGE_LABEL_LOSS {rule!r}; choose one of {', '.join(rules)}"
        )
    if rule in WEIGHTED_RULES and not node.WITH_SOFTMAX_PROP:
        raise InputError(f"{prefix}.IMAGE_LABEL_LOSS {rule!r} needs WITH_SOFTMAX_PROP True")
    if rule == "image" and not node.ADD_IMAGE_BOX:
        raise InputError(f"{prefix}.IMAGE_LABEL_LOSS 'image' needs ADD_IMAGE_BOX True")
    if node.SOFTMAX_WEAK_LOSS and rule != "max_size":
        raise InputError(
            f"{prefix}.SOFTMAX_WEAK_LOSS needs IMAGE_LABEL_LOSS 'max_size', not {rule!r}"
        )
    if with_captions and not node.ADD_IMAGE_BOX:
        raise InputError(f"MODEL.WITH_CAPTION needs {prefix}.ADD_IMAGE_BOX True")
