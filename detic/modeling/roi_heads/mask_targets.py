"""Which objects the mask head learns from."""

from detectron2.structures import Instances


def with_masks(instances: Instances) -> Instances:
    """Return the objects or sampled proposals that have masks of their own.

    ``gt_has_mask`` is there if some have none: their ``gt_masks`` are boxes.
    """
    return instances[instances.gt_has_mask] if instances.has("gt_has_mask") else instances
