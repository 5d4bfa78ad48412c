"""The resize transform, and changes of colour by a function.

Shapes: H, W of the input, C channels; images are (H, W) or (H, W, C), as OpenCV and PIL have them.
"""

from collections.abc import Callable

import numpy as np
import torch
from fvcore.transforms.transform import NoOpTransform, Transform
from PIL import Image
from torch.nn import functional

_TORCH_MODES = {
    Image.Resampling.NEAREST: "nearest",
    Image.Resampling.BILINEAR: "bilinear",
    Image.Resampling.BICUBIC: "bicubic",
}


class ResizeTransform(Transform):
    """Resizes an image to a given size.

    8-bit images and masks are resized by PIL, which averages over the source pixels when it makes
    an image smaller. Other types are interpolated by torch, which does not.

    The sizes are in pixels; `interp` is a PIL resampling filter, None for bilinear.
    """

    def __init__(
        self, h: int, w: int, new_h: int, new_w: int, interp: Image.Resampling | None = None
    ) -> None:
        super().__init__()
        self.h, self.w = h, w
        self.new_h, self.new_w = new_h, new_w
        self.interp = Image.Resampling.BILINEAR if interp is None else interp

    def apply_image(self, img: np.ndarray, interp: Image.Resampling | None = None) -> np.ndarray:
        """Return the resized image, of the type and number of dimensions of the input."""
        assert img.shape[:2] == (self.h, self.w), f"{img.shape}, not {self.h} x {self.w}"
        interp = self.interp if interp is None else interp
        size_hw = (self.new_h, self.new_w)
        if img.dtype == np.uint8:
            return _resize_with_pil(img, size_hw, interp)
        if img.dtype == bool:
            return _resize_with_pil(img.astype(np.uint8), size_hw, interp).astype(bool)
        return _resize_with_torch(img, size_hw, interp)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Return (x, y) rows scaled in place; float (N, 2)."""
        coords[:, 0] *= self.new_w / self.w
        coords[:, 1] *= self.new_h / self.h
        return coords

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Return a resized label map; nearest neighbour, so that no labels are mixed."""
        return self.apply_image(segmentation, interp=Image.Resampling.NEAREST)

    def inverse(self) -> "ResizeTransform":
        """Return the resize back to the size of the input."""
        return ResizeTransform(self.new_h, self.new_w, self.h, self.w, self.interp)


class ColorTransform(Transform):
    """Applies a function of images that leaves everything where it is."""

    def __init__(self, op: Callable[[np.ndarray], np.ndarray]) -> None:
        if not callable(op):
            raise ValueError(f"expected a function of an image, got {op!r}")
        super().__init__()
        self.op = op

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        return self.op(img)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        return coords

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        return segmentation

    def inverse(self) -> Transform:
        """Return the identity: colours cannot be restored."""
        return NoOpTransform()


class PILColorTransform(ColorTransform):
    """The same with a function of PIL images, such as those of `PIL.ImageOps`."""

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        return np.asarray(self.op(Image.fromarray(img)))


def _resize_with_pil(
    img: np.ndarray, size_hw: tuple[int, int], interp: Image.Resampling
) -> np.ndarray:
    single_channel = img.ndim == 3 and img.shape[2] == 1
    image = Image.fromarray(img[:, :, 0] if single_channel else img)
    resized = np.asarray(image.resize(size_hw[::-1], interp))
    return resized[:, :, None] if single_channel else resized


def _resize_with_torch(
    img: np.ndarray, size_hw: tuple[int, int], interp: Image.Resampling
) -> np.ndarray:
    floats = img if np.issubdtype(img.dtype, np.floating) else img.astype(np.float64)
    flat = np.ascontiguousarray(floats.reshape(*img.shape[:2], -1).transpose(2, 0, 1))
    mode = _TORCH_MODES[interp]
    resized = functional.interpolate(
        torch.from_numpy(flat)[None],  # (1, C, H, W)
        size=size_hw,
        mode=mode,
        align_corners=None if mode == "nearest" else False,
    )
    resized = resized[0].permute(1, 2, 0).numpy()
    return resized.reshape(*size_hw, *img.shape[2:]).astype(img.dtype)
