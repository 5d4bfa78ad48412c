"""Which proposals the mask head learns from."""

from detectron2.structures import Instances
from torch import Tensor


def has_mask(proposals: Instances, num_classes: int) -> Tensor:
    """Return which sampled proposals belong to an object that has a mask of its own, (N,) bool.

    ``gt_has_mask`` is there if some have none: their ``gt_masks`` are boxes.

    Args:
        num_classes: the class of the background; -1 is ignored.
    """
    classes = proposals.gt_classes
    is_foreground = (classes != -1) & (classes != num_classes)
    return is_foreground & proposals.gt_has_mask if proposals.has("gt_has_mask") else is_foreground
