"""What an augmentation is, and how a sequence of them is applied to an image."""

from collections.abc import Sequence

import numpy as np
from fvcore.transforms.transform import Transform, TransformList


class AugInput:
    """An image on its way through augmentations.

    Attributes:
        image: (H, W) or (H, W, C), uint8 in [0, 255] or float in [0, 1] or [0, 255].
    """

    def __init__(self, image: np.ndarray) -> None:
        self.image = image

    def transform(self, tfm: Transform) -> None:
        """Replace the image by the transformed one."""
        self.image = tfm.apply_image(self.image)

    def apply_augmentations(
        self, augmentations: Sequence["Augmentation | Transform"]
    ) -> TransformList:
        """Return the transforms drawn, after transforming the image with them."""
        return AugmentationList(augmentations)(self)


class Augmentation:
    """A random policy: looks at an image and draws a transform.

    A subclass defines `get_transform`. Random numbers come from `np.random`.
    """

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return the transform for this image."""
        raise NotImplementedError(f"{type(self).__name__} defines no get_transform")

    def __call__(self, aug_input: AugInput) -> Transform:
        """Return the transform drawn, after transforming the input in place with it."""
        tfm = self.get_transform(aug_input.image)
        aug_input.transform(tfm)
        return tfm


class AugmentationList(Augmentation):
    """A sequence of augmentations, each of which sees what the ones before it made.

    Args:
        augs: augmentations, transforms or nested lists of them.
    """

    def __init__(self, augs: Sequence[Augmentation | Transform]) -> None:
        self.augs = [_to_augmentation(aug) for aug in augs]

    def __call__(self, aug_input: AugInput) -> TransformList:
        """Return the transforms drawn, after transforming the input in place with them."""
        return TransformList([aug(aug_input) for aug in self.augs])


class _FixedTransform(Augmentation):
    """The augmentation that always draws the same transform."""

    def __init__(self, tfm: Transform) -> None:
        self.tfm = tfm

    def get_transform(self, image: np.ndarray) -> Transform:
        return self.tfm


def _to_augmentation(aug: Augmentation | Transform | Sequence) -> Augmentation:
    if isinstance(aug, Augmentation):
        return aug
    return _FixedTransform(aug) if isinstance(aug, Transform) else AugmentationList(aug)
