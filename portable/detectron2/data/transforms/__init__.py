"""Deterministic transforms of images, boxes and masks, and the random policies that draw them.

The transforms are fvcore's, but for `ResizeTransform`, which resizes with PIL, and `CropTransform`,
which cuts polygons by itself. An augmentation looks at its input and draws a transform.
"""

from fvcore.transforms.transform import (
    BlendTransform,
    GridSampleTransform,
    HFlipTransform,
    NoOpTransform,
    PadTransform,
    ScaleTransform,
    Transform,
    TransformList,
    VFlipTransform,
)

from ._crop import CropTransform
from .augmentation import (
    AugInput,
    Augmentation,
    AugmentationList,
    StandardAugInput,
    TransformGen,
    apply_augmentations,
    apply_transform_gens,
)
from .augmentation_impl import (
    FixedSizeCrop,
    RandomApply,
    RandomBrightness,
    RandomContrast,
    RandomCrop,
    RandomCrop_CategoryAreaConstraint,
    RandomFlip,
    RandomLighting,
    RandomResize,
    RandomSaturation,
    Resize,
    ResizeScale,
    ResizeShortestEdge,
)
from .transform import ColorTransform, PILColorTransform, ResizeTransform
