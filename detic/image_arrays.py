"""Arrays and tensors of the usual kinds as images.

Shapes: H x W image, C channels.
"""

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from detic.errors import InputError, unknown_choice
from detic.images import CHANNEL_ORDERS

_NUM_CHANNELS = (1, 3, 4)  # grey, colour, colour with transparency
_SLACK = 1e-3  # by which computed values may leave 0 to 1

_ARRAY = "an array (height, width, 3) of uint8 in BGR order as cv2.imread gives it"
_TENSOR = "a tensor (channels, height, width) of uint8, or of floats from 0 to 1"


def array_to_bgr(array: np.ndarray, channels: str | None = None) -> np.ndarray:
    """Return an array as an image (H, W, 3) uint8 in BGR order: as it is, if it is one already.

    Args:
        array: (H, W) or (H, W, 1) grey, (H, W, 3), or (H, W, 4), whose last channel is left out; uint8
            from 0 to 255, or floats from 0 to 1.
        channels: BGR or RGB, the order of colours; None: BGR.

    Raises:
        InputError: it is of another kind.
    """
    order = _checked_order(channels or "BGR")
    pixels = array[:, :, None] if array.ndim == 2 else array
    if pixels.ndim != 3 or pixels.shape[2] not in _NUM_CHANNELS or pixels.size == 0:
        raise _refusal(array.shape, array.dtype, _ARRAY, _array_hint(array.shape))
    pixels = _as_bytes(pixels, _ARRAY)
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    colors = pixels[:, :, :3]
    return colors if order == "BGR" else np.ascontiguousarray(colors[:, :, ::-1])


def tensor_to_bgr(tensor: Tensor, channels: str | None = None) -> np.ndarray:
    """Return a tensor as an image (H, W, 3) uint8 in BGR order.

    Args:
        tensor: (C, H, W) or (H, W) on any device, its channels and values as of ``array_to_bgr``.
        channels: BGR or RGB, the order of colours; None: RGB, as torchvision reads images.

    Raises:
        InputError: it is of another kind.
    """
    order = _checked_order(channels or "RGB")
    if tensor.ndim not in (2, 3) or (tensor.ndim == 3 and len(tensor) not in _NUM_CHANNELS):
        raise _refusal(tuple(tensor.shape), tensor.dtype, _TENSOR, _tensor_hint(tensor.shape))
    on_cpu = tensor.detach().cpu()
    values = on_cpu.float() if on_cpu.is_floating_point() else on_cpu
    planes = values if values.ndim == 3 else values[None]
    return array_to_bgr(planes.permute(1, 2, 0).numpy(), order)


def cut(image: np.ndarray, box_xyxy: Sequence[float], margin: float = 0.0) -> np.ndarray:
    """Return a copy of the pixels of a box, at least one of them, as far as the image reaches.

    Args:
        image: (H, W, 3).
        box_xyxy: pixels.
        margin: around the box, in shares of its width and height.
    """
    x1, y1, x2, y2 = box_xyxy
    dx, dy = margin * (x2 - x1), margin * (y2 - y1)
    height, width = image.shape[:2]
    left, top = min(max(int(x1 - dx), 0), width - 1), min(max(int(y1 - dy), 0), height - 1)
    right, bottom = max(math.ceil(x2 + dx), left + 1), max(math.ceil(y2 + dy), top + 1)
    return image[top:bottom, left:right].copy()


def _checked_order(channels: str) -> str:
    order = channels.upper() if isinstance(channels, str) else repr(channels)
    if order not in CHANNEL_ORDERS:
        raise unknown_choice("order of channels", order, CHANNEL_ORDERS)
    return order


def _as_bytes(pixels: np.ndarray, expected: str) -> np.ndarray:
    """Return pixels as uint8, floats from 0 to 1 as 0 to 255."""
    if pixels.dtype == np.uint8:
        return pixels
    if not np.issubdtype(pixels.dtype, np.floating):
        remedy = "if its values are from 0 to 255, `.astype(np.uint8)` converts it"
        raise _refusal(pixels.shape, pixels.dtype, expected, remedy)
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= -_SLACK and high <= 1 + _SLACK):  # nor if a value is no number
        raise InputError(
            f"an image of floats has values from 0 to 1, not from {low:g} to {high:g}; convert one "
            "of 0 to 255 to uint8, and undo what was normalised by mean and deviation"
        )
    return np.rint(pixels.clip(0, 1) * np.float32(255)).astype(np.uint8)


def _refusal(shape: tuple[int, ...], dtype: object, expected: str, remedy: str) -> InputError:
    ending = f"; {remedy}" if remedy else ""
    return InputError(f"an image must be {expected}, not {shape} of {dtype}{ending}")


def _array_hint(shape: tuple[int, ...]) -> str:
    if len(shape) == 4:
        return "give a batch as a list of its images, `list(array)`"
    if len(shape) == 3 and shape[0] in _NUM_CHANNELS:
        return "`array.transpose(1, 2, 0)` moves its channels to the end"
    return ""


def _tensor_hint(shape: tuple[int, ...]) -> str:
    if len(shape) == 4:
        return "give a batch as a list of its images, `list(tensor)`"
    if len(shape) == 3 and shape[2] in _NUM_CHANNELS:
        return "`tensor.permute(2, 0, 1)` moves its channels to the front"
    return ""
