"""What an augmentation is, and how a sequence of them is applied to an image and its annotations."""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from fvcore.transforms.transform import Transform, TransformList


class AugInput:
    """An image on its way through augmentations, with what else they change or look at.

    Attributes:
        image: (H, W) or (H, W, C), uint8 in [0, 255] or float in [0, 1] or [0, 255].
        boxes: (N, 4) XYXY in pixels, or None.
        sem_seg: (H, W) labels, or None.
    """

    def __init__(
        self,
        image: np.ndarray,
        *,
        boxes: np.ndarray | None = None,
        sem_seg: np.ndarray | None = None,
    ) -> None:
        self.image = image
        self.boxes = boxes
        self.sem_seg = sem_seg

    def transform(self, tfm: Transform) -> None:
        """Replace the image, and boxes and labels if there are any, by the transformed ones."""
        self.image = tfm.apply_image(self.image)
        if self.boxes is not None:
            self.boxes = tfm.apply_box(self.boxes)
        if self.sem_seg is not None:
            self.sem_seg = tfm.apply_segmentation(self.sem_seg)

    def apply_augmentations(
        self, augmentations: Sequence["Augmentation | Transform"]
    ) -> TransformList:
        """Return the transforms drawn, after transforming the input in place with them."""
        return AugmentationList(augmentations)(self)


class Augmentation:
    """A random policy: looks at an input and draws a transform.

    A subclass defines `get_transform`. The names of its arguments are attributes of the input, as
    in `get_transform(self, image, boxes)`; a single argument is the image, whatever its name.
    Random numbers come from `np.random`.

    Attributes:
        input_args: those names, if they are not to be taken from the signature.
    """

    input_args: tuple[str, ...] | None = None

    def get_transform(self, *args) -> Transform:
        """Return the transform for this input."""
        raise NotImplementedError(f"{type(self).__name__} defines no get_transform")

    def __call__(self, aug_input: AugInput) -> Transform:
        """Return the transform drawn, after transforming the input in place with it."""
        tfm = self.get_transform(*_arguments_for(self, aug_input))
        aug_input.transform(tfm)
        return tfm

    def _init(self, params: dict[str, Any] | None = None) -> None:
        """Set attributes: `self._init(locals())` in `__init__` keeps all its arguments."""
        for name, value in (params or {}).items():
            if name != "self" and not name.startswith("_"):
                setattr(self, name, value)

    def _rand_range(self, low: float = 1.0, high: float | None = None, size=None):
        """Return a uniform number from [low, high), from [0, low) without `high`."""
        return np.random.uniform(*((0, low) if high is None else (low, high)), size)


def _arguments_for(augmentation: Augmentation, aug_input: AugInput) -> list[Any]:
    """Return what the augmentation wants to see of the input."""
    names = augmentation.input_args
    if names is None:
        parameters = inspect.signature(augmentation.get_transform).parameters.values()
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
            raise TypeError(
                f"{type(augmentation).__name__}.get_transform has to name its arguments, or the "
                "class has to set input_args"
            )
        names = ("image",) if len(parameters) == 1 else tuple(p.name for p in parameters)
    missing = [name for name in names if not hasattr(aug_input, name)]
    if missing:
        raise AttributeError(
            f"{type(augmentation).__name__} needs {', '.join(missing)}, which the input has not"
        )
    return [getattr(aug_input, name) for name in names]


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

    input_args = ("image",)

    def __init__(self, tfm: Transform) -> None:
        self.tfm = tfm

    def get_transform(self, *args) -> Transform:
        return self.tfm


def _to_augmentation(aug: Augmentation | Transform | Sequence) -> Augmentation:
    if isinstance(aug, Augmentation):
        return aug
    return _FixedTransform(aug) if isinstance(aug, Transform) else AugmentationList(aug)


def apply_augmentations(
    augmentations: Sequence[Augmentation | Transform], inputs: AugInput | np.ndarray
) -> tuple[AugInput | np.ndarray, TransformList]:
    """Return the transformed input, an image if it was one, and the transforms drawn."""
    aug_input = AugInput(inputs) if isinstance(inputs, np.ndarray) else inputs
    tfms = AugmentationList(augmentations)(aug_input)
    return (aug_input.image if isinstance(inputs, np.ndarray) else aug_input), tfms


# Names of earlier versions.
StandardAugInput = AugInput
TransformGen = Augmentation
apply_transform_gens = apply_augmentations
