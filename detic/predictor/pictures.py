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
from PIL import Image, UnidentifiedImageError

from detic.data.augmentation import build_test_augmentations
from detic.errors import InputError

Picture = np.ndarray | str | os.PathLike

_EXPECTED = "a path, or an array (height, width, 3) of uint8 in BGR order as cv2.imread gives it"


def load_picture(source: Picture) -> np.ndarray:
    """Return a picture as (H, W, 3) uint8 in BGR order, upright as its EXIF data says.

    Args:
        source: a file, or such an array, which is returned as it is.

    Raises:
        InputError: the file is not a readable picture, or the array is of another kind.
    """
    if isinstance(source, str | os.PathLike):
        return _read_file(os.fspath(source))
    if not isinstance(source, np.ndarray):
        raise InputError(f"a picture must be {_EXPECTED}, not {type(source).__name__}")
    is_picture = source.ndim == 3 and source.shape[2] == 3 and source.size > 0
    if not is_picture or source.dtype != np.uint8:
        raise InputError(
            f"a picture must be {_EXPECTED}, not an array {source.shape} of {source.dtype}; "
            "cv2.cvtColor converts grey and RGBA pictures"
        )
    return source


def _read_file(path: str) -> np.ndarray:
    try:
        return np.ascontiguousarray(read_image(path, format="BGR"))
    except FileNotFoundError as e:
        raise InputError(f"there is no picture {path!r}") from e
    except UnidentifiedImageError as e:
        raise InputError(f"{path!r} is not a picture, or it is damaged") from e
    # By file format, PIL reports damage as one of these.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        raise InputError(f"cannot read the picture {path!r}: {e}") from e


@dataclass(frozen=True)
class InputFormat:
    """Size and channel order of the network input."""

    augmentations: Sequence[T.Augmentation]  # deterministic ones: the test-time resize
    channel_order: str  # RGB or BGR

    @classmethod
    def from_config(cls, cfg) -> "InputFormat":
        return cls(build_test_augmentations(cfg), cfg.INPUT.FORMAT)

    def model_input(self, image_bgr: np.ndarray) -> dict:
        """Return a picture (H, W, 3) as the model's input; results are in the picture's pixels."""
        height, width = image_bgr.shape[:2]
        pixels = image_bgr[:, :, ::-1] if self.channel_order == "RGB" else image_bgr
        aug_input = T.AugInput(np.ascontiguousarray(pixels))
        T.AugmentationList(self.augmentations)(aug_input)
        # A copy: the array may be a view of a read-only buffer.
        tensor = torch.from_numpy(aug_input.image.transpose(2, 0, 1).copy())
        return {"image": tensor, "height": height, "width": width}
