"""Images as the model wants them.

Shapes: H x W image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from detectron2.data import transforms as T

from detic.image_sources import ImageLike, load_image
from detic.loading.augmentation import build_test_augmentations, output_size_hw

__all__ = ["ImageLike", "InputFormat", "load_image"]


@dataclass(frozen=True)
class InputFormat:
    """Size and channel order of the network input."""

    augmentations: Sequence[T.Augmentation]  # deterministic ones: the test-time resize
    channel_order: str  # RGB or BGR
    training_side_px: int = 640  # of the images that the model was trained on

    @classmethod
    def from_config(cls, cfg) -> "InputFormat":
        fits_square = cfg.INPUT.CUSTOM_AUG == "EfficientDetResizeCrop"
        side = cfg.INPUT.TRAIN_SIZE if fits_square else max(cfg.INPUT.MIN_SIZE_TRAIN)
        return cls(build_test_augmentations(cfg), cfg.INPUT.FORMAT, side)

    def size_hw(self, image_size_hw: tuple[int, int]) -> tuple[int, int]:
        """Return the size, pixels, of the model's input of an image of a size."""
        size_hw = image_size_hw
        for augmentation in self.augmentations:
            shape_alone = np.broadcast_to(np.uint8(0), (*size_hw, 3))  # it takes no memory
            size_hw = output_size_hw(augmentation.get_transform(shape_alone), size_hw)
        return size_hw

    def model_input(self, image_bgr: np.ndarray) -> dict:
        """Return an image (H, W, 3) as the model's input; results are in the image's pixels."""
        height, width = image_bgr.shape[:2]
        pixels = image_bgr[:, :, ::-1] if self.channel_order == "RGB" else image_bgr
        aug_input = T.AugInput(np.ascontiguousarray(pixels))
        T.AugmentationList(self.augmentations)(aug_input)
        # A copy: the array may be a view of a read-only buffer.
        tensor = torch.from_numpy(aug_input.image.transpose(2, 0, 1).copy())
        return {"image": tensor, "height": height, "width": width}
