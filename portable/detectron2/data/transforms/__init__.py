"""Deterministic transforms of images, boxes and masks, and the random policies that draw them.

The transforms are fvcore's, and `ResizeTransform` which resizes with PIL. An augmentation looks at
its input and draws a transform.
"""

from fvcore.transforms.transform import (
    CropTransform,
    HFlipTransform,
    NoOpTransform,
    PadTransform,
    Transform,
    TransformList,
    VFlipTransform,
)

from .augmentation import AugInput, Augmentation, AugmentationList
from .augmentation_impl import RandomCrop, RandomFlip, ResizeShortestEdge
from .transform import ResizeTransform
