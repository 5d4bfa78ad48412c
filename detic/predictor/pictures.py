"""Pictures as the model wants them.

Shape legend: H x W picture.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from detectron2.data import transforms as T
from detectron2.data.detection_utils import read_image
from PIL import Image

from detic.data.augmentation import test_augmentations
from detic.errors import InputError

Picture = np.ndarray | str | os.PathLike


def load_picture(source: Picture) -> np.ndarray:
    """Return a picture as (H, W, 3) uint8 in BGR order, upright as its EXIF data says.

    Args:
        source: a file, or such an array, which is returned as it is.

    Raises:
        InputError: the file is not a readable picture, or the array is of another kind.
    """
    if isinstance(source, str | os.PathLike):
        return _read_file(source)
    shape = getattr(source, "shape", None)
    dtype = getattr(source, "dtype", None)
    if (
        not isinstance(source, np.ndarray)
        or dtype != np.uint8
        or source.ndim != 3
        or source.shape[2] != 3
        or source.size == 0
    ):
        found = type(source).__name__ if shape is None else f"{tuple(shape)} of {dtype}"
        raise InputError(
            f"a picture must be an array (height, width, 3) of uint8 in BGR order, as cv2.imread "
            f"gives it, or a path, not {found}; cv2.cvtColor converts grey and RGBA pictures"
        )
    return source


def _read_file(path: str | os.PathLike) -> np.ndarray:
    try:
        # PIL reports damage as OSError, SyntaxError or ValueError, by file format.
        return np.ascontiguousarray(read_image(os.fspath(path), format="BGR"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        reason = "no such file" if isinstance(e, FileNotFoundError) else e
        raise InputError(f"cannot read the picture {os.fspath(path)!r}: {reason}") from e


@dataclass(frozen=True)
class InputFormat:
    """Size and channel order of the network input."""

    augmentations: Sequence[T.Augmentation]  # deterministic ones: the test-time resize
    channel_order: str  # RGB or BGR

    @classmethod
    def from_config(cls, cfg) -> "InputFormat":
        return cls(test_augmentations(cfg), cfg.INPUT.FORMAT)

    def model_input(self, image_bgr: np.ndarray) -> dict:
        """Return a picture (H, W, 3) as the model's input; results are in the picture's pixels."""
        height, width = image_bgr.shape[:2]
        pixels = image_bgr[:, :, ::-1] if self.channel_order == "RGB" else image_bgr
        aug_input = T.AugInput(np.ascontiguousarray(pixels))
        T.AugmentationList(self.augmentations)(aug_input)
        # A copy: the array may be a view of a read-only buffer.
        tensor = torch.from_numpy(aug_input.image.transpose(2, 0, 1).copy())
        return {"image": tensor, "height": height, "width": width}
