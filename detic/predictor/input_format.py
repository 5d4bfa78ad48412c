"""Images as the model wants them.

Shapes: H x W image.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from detectron2.data import transforms as T
from PIL import UnidentifiedImageError

from detic.errors import InputError
from detic.files import reason_of
from detic.image_windows import ArrayWindows, ImageWindows, open_windows
from detic.images import IMAGE_ERRORS, read_image
from detic.loading.augmentation import build_test_augmentations

ImageLike = np.ndarray | str | os.PathLike

_EXPECTED = "a path, or an array (height, width, 3) of uint8 in BGR order as cv2.imread gives it"


def load_image(source: ImageLike) -> np.ndarray:
    """Return an image as (H, W, 3) uint8 in BGR order; see ``detic.images.read_image``.

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


def image_windows(source: ImageLike) -> ImageWindows:
    """Return an image of which parts can be read; see ``load_image``, and ``open_windows`` of files."""
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        with _naming_the_file(path):
            return open_windows(path)
    return ArrayWindows(load_image(source))


def _read_file(path: str) -> np.ndarray:
    with _naming_the_file(path):
        return read_image(path, "BGR")


@contextmanager
def _naming_the_file(path: str) -> Iterator[None]:
    """Turn what the reading of an image raises into messages that name the file."""
    try:
        yield
    except FileNotFoundError as e:
        raise InputError(f"there is no image {path!r}") from e
    except UnidentifiedImageError as e:
        raise InputError(f"{path!r} is not an image, or it is damaged") from e
    except IMAGE_ERRORS as e:
        reason = reason_of(e) if isinstance(e, OSError) else e
        raise InputError(f"cannot read the image {path!r}: {reason}") from e


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

    def model_input(self, image_bgr: np.ndarray) -> dict:
        """Return an image (H, W, 3) as the model's input; results are in the image's pixels."""
        height, width = image_bgr.shape[:2]
        pixels = image_bgr[:, :, ::-1] if self.channel_order == "RGB" else image_bgr
        aug_input = T.AugInput(np.ascontiguousarray(pixels))
        T.AugmentationList(self.augmentations)(aug_input)
        # A copy: the array may be a view of a read-only buffer.
        tensor = torch.from_numpy(aug_input.image.transpose(2, 0, 1).copy())
        return {"image": tensor, "height": height, "width": width}
