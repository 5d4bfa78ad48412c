"""Images as the model wants them.

Shapes: H x W image.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from detectron2.data import transforms as T
from detectron2.data.detection_utils import convert_PIL_to_numpy
from detectron2.utils.file_io import PathManager
from PIL import Image, ImageOps, UnidentifiedImageError

from detic.errors import InputError
from detic.loading.augmentation import build_test_augmentations

ImageLike = np.ndarray | str | os.PathLike

_EXPECTED = "a path, or an array (height, width, 3) of uint8 in BGR order as cv2.imread gives it"

_LARGEST_16_BIT = 65535  # 257 * 255


def load_image(source: ImageLike) -> np.ndarray:
    """Return an image as (H, W, 3) uint8 in BGR order, upright as its EXIF data says.

    Grey values of 16 bits are divided by 257. Larger ones, negative ones and fractions have no white
    of their own: the darkest of an image becomes 0, the brightest 255.

    Args:
        source: a file, or such an array, which is returned as it is.

    Raises:
        InputError: the file is not a readable image, or the array is of another kind.
    """
    if isinstance(source, str | os.PathLike):
        return _read_file(os.fspath(source))
    if not isinstance(source, np.ndarray):
        raise InputError(f"an image must be {_EXPECTED}, not {type(source).__name__}")
    is_image = source.ndim == 3 and source.shape[2] == 3 and source.size > 0
    if not is_image or source.dtype != np.uint8:
        raise InputError(
            f"an image must be {_EXPECTED}, not an array {source.shape} of {source.dtype}; "
            "cv2.cvtColor converts grey and RGBA images"
        )
    return source


def _read_file(path: str) -> np.ndarray:
    try:
        with PathManager.open(path, "rb") as file:
            image = ImageOps.exif_transpose(Image.open(file))
            return np.ascontiguousarray(convert_PIL_to_numpy(_eight_bit(image), "BGR"))
    except FileNotFoundError as e:
        raise InputError(f"there is no image {path!r}") from e
    except UnidentifiedImageError as e:
        raise InputError(f"{path!r} is not an image, or it is damaged") from e
    # By file format, PIL reports damage as one of these.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        raise InputError(f"cannot read the image {path!r}: {e}") from e


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return the image, grey values of more than 8 bits scaled down; see load_image.

    PIL itself would cut them off at 255.
    """
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image, dtype=np.float64)
    if image.mode == "F":
        values = np.where(np.isfinite(values), values, 0)
    has_16_bits = image.mode != "F" and values.min() >= 0 and values.max() <= _LARGEST_16_BIT
    limits = (0, _LARGEST_16_BIT) if has_16_bits else (values.min(), values.max())
    return Image.fromarray(np.interp(values, limits, (0, 255)).round().astype(np.uint8))


@dataclass(frozen=True)
class InputFormat:
    """Size and channel order of the network input."""

    augmentations: Sequence[T.Augmentation]  # deterministic ones: the test-time resize
    channel_order: str  # RGB or BGR

    @classmethod
    def from_config(cls, cfg) -> "InputFormat":
        return cls(build_test_augmentations(cfg), cfg.INPUT.FORMAT)

    def model_input(self, image_bgr: np.ndarray) -> dict:
        """Return an image (H, W, 3) as the model's input; results are in the image's pixels."""
        height, width = image_bgr.shape[:2]
        pixels = image_bgr[:, :, ::-1] if self.channel_order == "RGB" else image_bgr
        aug_input = T.AugInput(np.ascontiguousarray(pixels))
        T.AugmentationList(self.augmentations)(aug_input)
        # A copy: the array may be a view of a read-only buffer.
        tensor = torch.from_numpy(aug_input.image.transpose(2, 0, 1).copy())
        return {"image": tensor, "height": height, "width": width}
