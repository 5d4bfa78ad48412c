"""Classification losses of region heads, and how often they are right.

Shapes: R regions, C classes; the background is index C.
"""

import torch
import torch.nn.functional as F
from detectron2.data import MetadataCatalog
from detectron2.utils.events import get_event_storage


def sample_federated_classes(
    gt_classes: torch.Tensor, num_sampled: int, num_classes: int, weight: torch.Tensor | None
) -> torch.Tensor:
    """Returns the classes that take part in the loss of this batch.

    All classes that occur take part. The rest up to `num_sampled` is drawn without replacement;
    the background is never drawn but counts when it occurs.

    Args:
        gt_classes: (R,) int64 in [0, C].
        num_sampled: how many classes to return, if no more than that occur.
        num_classes: C.
        weight: (C,) drawing weights; uniform if None.

    Returns:
        (num_sampled or more,) int64: those that occur in increasing order, then those drawn.

    Source: federated loss of CenterNet2 (arXiv 2103.07461), after LVIS (arXiv 1908.03195).
    """
    occurring = torch.unique(gt_classes)
    num_drawn = num_sampled - len(occurring)
    if num_drawn <= 0:
        return occurring
    chances = occurring.new_ones(num_classes + 1, dtype=torch.float32)
    if weight is not None:
        chances[:num_classes] = weight
    chances[num_classes] = 0
    chances[occurring] = 0
    return torch.cat([occurring, torch.multinomial(chances, num_drawn, replacement=False)])


def sigmoid_classification_loss(
    class_logits: torch.Tensor,
    gt_classes: torch.Tensor,
    class_weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Returns binary cross entropy summed over classes and averaged over regions.

    Args:
        class_logits: (R, C + 1); the background column has no part in the loss.
        gt_classes: (R,) int64 in [0, C]; the background has no positive class.
        class_weight: (C,) factor of each class.
    """
    if class_logits.numel() == 0:
        return class_logits.new_zeros(())
    targets = F.one_hot(gt_classes, class_logits.shape[1])[:, :-1].to(class_logits.dtype)
    losses = F.binary_cross_entropy_with_logits(class_logits[:, :-1], targets, reduction="none")
    if class_weight is not None:
        losses = losses * class_weight
    return losses.sum() / len(class_logits)


def class_frequency_weights(dataset_name: str, power: float) -> torch.Tensor:
    """Returns (C,) image counts of a dataset's classes raised to `power`.

    Args:
        dataset_name: a dataset whose metadata has `class_image_count`, a list of dicts with `id`
            and `image_count`.
        power: of the counts.
    """
    counts = MetadataCatalog.get(dataset_name).class_image_count
    ordered = sorted(counts, key=lambda entry: entry["id"])
    return torch.tensor([float(entry["image_count"]) for entry in ordered]) ** power


def _log_classification_stats(
    pred_logits: torch.Tensor, gt_classes: torch.Tensor, prefix: str = "fast_rcnn"
) -> None:
    """Records how often the highest logit is right: overall, and for foreground regions.

    Args:
        pred_logits: (R, C + 1).
        gt_classes: (R,) int64 in [0, C].
        prefix: of the scalars' names.
    """
    if gt_classes.numel() == 0:
        return
    storage = get_event_storage()
    predicted = pred_logits.argmax(dim=1)
    background = pred_logits.shape[1] - 1
    right = predicted == gt_classes
    storage.put_scalar(f"{prefix}/cls_accuracy", float(right.float().mean()))
    foreground = (gt_classes >= 0) & (gt_classes < background)
    if bool(foreground.any()):
        missed = (predicted == background)[foreground]
        storage.put_scalar(f"{prefix}/fg_cls_accuracy", float(right[foreground].float().mean()))
        storage.put_scalar(f"{prefix}/false_negative", float(missed.float().mean()))
