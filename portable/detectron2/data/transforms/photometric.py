"""Random changes of colour: w * image + (1 - w) * something plain, w drawn uniformly.

A weight above 1 strengthens, below 1 weakens; PIL's ImageEnhance defines these operations.
"""

import numpy as np
from fvcore.transforms.transform import BlendTransform, Transform

from .augmentation import Augmentation

RGB_TO_LUMINANCE = (0.299, 0.587, 0.114)


class _RandomBlend(Augmentation):
    """Blends the image with a plain version of itself.

    Args:
        intensity_min, intensity_max: the weight of the image is uniform between the two.
    """

    def __init__(self, intensity_min: float, intensity_max: float) -> None:
        self.intensity_min = intensity_min
        self.intensity_max = intensity_max

    def get_transform(self, image: np.ndarray) -> Transform:
        """Returns the blend with a drawn weight."""
        weight = np.random.uniform(self.intensity_min, self.intensity_max)
        return BlendTransform(self._plain(image), src_weight=1 - weight, dst_weight=weight)

    def _plain(self, image: np.ndarray) -> np.ndarray | float:
        raise NotImplementedError


class RandomBrightness(_RandomBlend):
    """Blends with black."""

    def _plain(self, image: np.ndarray) -> float:
        return 0.0


class RandomContrast(_RandomBlend):
    """Blends with the mean of all pixels and channels."""

    def _plain(self, image: np.ndarray) -> float:
        return image.mean()


class RandomSaturation(_RandomBlend):
    """Blends with the grey image. The image is RGB, (H, W, 3)."""

    def _plain(self, image: np.ndarray) -> np.ndarray:
        if image.shape[-1] != 3:
            raise ValueError(f"RandomSaturation works on RGB images, got shape {image.shape}")
        return image.dot(RGB_TO_LUMINANCE)[:, :, None]
