"""What an augmentation is, and how a sequence of them is applied to an image and its labels."""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from fvcore.transforms.transform import NoOpTransform, Transform, TransformList


class AugInput:
    """An image with the labels that augmentations may look at and transform.

    Args:
        image: (H, W) or (H, W, C), uint8 in [0, 255] or float in [0, 1] or [0, 255].
        boxes: (N, 4) float XYXY in pixels, or None.
        sem_seg: (H, W) uint8 label map, or None.
    """

    def __init__(
        self,
        image: np.ndarray,
        *,
        boxes: np.ndarray | None = None,
        sem_seg: np.ndarray | None = None,
    ) -> None:
        _check_image(image)
        self.image = image
        self.boxes = boxes
        self.sem_seg = sem_seg

    def transform(self, tfm: Transform) -> None:
        """Replaces all attributes by transformed ones."""
        self.image = tfm.apply_image(self.image)
        if self.boxes is not None:
            self.boxes = tfm.apply_box(self.boxes)
        if self.sem_seg is not None:
            self.sem_seg = tfm.apply_segmentation(self.sem_seg)

    def apply_augmentations(
        self, augmentations: Sequence["Augmentation | Transform"]
    ) -> TransformList:
        """Returns the transforms drawn, after transforming all attributes with them."""
        return AugmentationList(augmentations)(self)


class Augmentation:
    """A random policy: looks at its input and draws a transform.

    A subclass defines `get_transform`. The names of its parameters say which attributes of the
    AugInput it looks at: `def get_transform(self, image, boxes)`. Random numbers come from
    `np.random`.
    """

    input_args: tuple[str, ...] | None = None
    """Attributes handed to get_transform; None to read them off its parameters."""

    def get_transform(self, *args: Any) -> Transform:
        """Returns the transform for this input."""
        raise NotImplementedError(f"{type(self).__name__} defines no get_transform")

    def __call__(self, aug_input: AugInput) -> Transform:
        """Returns the transform drawn, after transforming the input in place with it."""
        tfm = self.get_transform(*_select_arguments(self, aug_input))
        if not isinstance(tfm, Transform):
            raise TypeError(
                f"{type(self).__name__}.get_transform must return a Transform, "
                f"got {type(tfm).__name__}"
            )
        aug_input.transform(tfm)
        return tfm

    def _rand_range(
        self, low: float = 1.0, high: float | None = None, size: int | tuple[int, ...] | None = None
    ) -> float | np.ndarray:
        """Returns uniform numbers in [low, high), or in [0, low) when high is not given."""
        low, high = (0, low) if high is None else (low, high)
        return np.random.uniform(low, high, size)

    def __repr__(self) -> str:
        names = list(inspect.signature(type(self)).parameters)
        shown = [f"{n}={getattr(self, n)!r}" for n in names if hasattr(self, n)]
        return f"{type(self).__name__}({', '.join(shown)})"


class AugmentationList(Augmentation):
    """A sequence of augmentations, each of which sees what the ones before it made.

    Args:
        augs: augmentations, transforms or nested lists of them.
    """

    def __init__(self, augs: Sequence[Augmentation | Transform]) -> None:
        self.augs = [_to_augmentation(aug) for aug in augs]

    def __call__(self, aug_input: AugInput) -> TransformList:
        """Returns the transforms drawn, after transforming the input in place with them."""
        return TransformList([aug(aug_input) for aug in self.augs])

    def __repr__(self) -> str:
        return f"AugmentationList[{', '.join(map(repr, self.augs))}]"


class _FixedTransform(Augmentation):
    """The augmentation that always draws the same transform."""

    input_args = ()

    def __init__(self, tfm: Transform) -> None:
        self.tfm = tfm

    def get_transform(self) -> Transform:
        return self.tfm

    def __repr__(self) -> str:
        return repr(self.tfm)


class RandomApply(Augmentation):
    """An augmentation that is applied only sometimes.

    Args:
        tfm_or_aug: an augmentation, a transform or a list of them.
        prob: in [0, 1].
    """

    def __init__(self, tfm_or_aug: Augmentation | Transform, prob: float = 0.5) -> None:
        if not 0.0 <= prob <= 1.0:
            raise ValueError(f"RandomApply: prob must be in [0, 1], got {prob}")
        self.aug = _to_augmentation(tfm_or_aug)
        self.prob = prob

    def get_transform(self, *args: Any) -> Transform:
        """Returns the inner transform, or with probability 1 - prob one that does nothing."""
        return self.aug.get_transform(*args) if self._drawn() else NoOpTransform()

    def __call__(self, aug_input: AugInput) -> Transform:
        """Returns what was applied to the input in place."""
        return self.aug(aug_input) if self._drawn() else NoOpTransform()

    def _drawn(self) -> bool:
        return self._rand_range() < self.prob


def apply_augmentations(
    augmentations: Sequence[Augmentation | Transform], inputs: np.ndarray | AugInput
) -> tuple[np.ndarray | AugInput, TransformList]:
    """Returns the augmented input and the transforms that were drawn.

    Args:
        augmentations: applied one after the other.
        inputs: an image, or an AugInput which is changed in place.
    """
    aug_input = AugInput(inputs) if isinstance(inputs, np.ndarray) else inputs
    tfms = aug_input.apply_augmentations(augmentations)
    return (aug_input.image if aug_input is not inputs else inputs), tfms


def _to_augmentation(aug: Any) -> Augmentation:
    if isinstance(aug, Augmentation):
        return aug
    if isinstance(aug, Transform):
        return _FixedTransform(aug)
    if isinstance(aug, (list, tuple)):
        return AugmentationList(aug)
    raise TypeError(f"expected an Augmentation, a Transform or a list, got {type(aug).__name__}")


def _select_arguments(aug: Augmentation, aug_input: AugInput) -> list[Any]:
    names = aug.input_args
    if names is None:
        names = tuple(inspect.signature(aug.get_transform).parameters)
    missing = [n for n in names if getattr(aug_input, n, None) is None]
    if missing:
        raise AttributeError(
            f"{type(aug).__name__}.get_transform asks for {', '.join(names)}, but the input has no "
            f"{', '.join(missing)}; name its parameters after attributes of the input, or set them"
        )
    return [getattr(aug_input, n) for n in names]


def _check_image(image: np.ndarray) -> None:
    if not isinstance(image, np.ndarray):
        raise TypeError(f"an augmentation needs a numpy image, got {type(image).__name__}")
    if image.ndim not in (2, 3):
        raise ValueError(f"an image is (H, W) or (H, W, C), got shape {image.shape}")
    if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
        raise TypeError(f"an image is uint8 or floating point, got {image.dtype}")
