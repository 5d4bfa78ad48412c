"""A batch of images of different sizes in one padded tensor.

Shapes: N images, C channels, H x W the padded size.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F


class ImageList:
    """Images padded at the bottom and right to a common size.

    Attributes:
        tensor: (N, C, H, W).
        image_sizes: (height, width) of each image without padding.
    """

    def __init__(self, tensor: torch.Tensor, image_sizes: list[tuple[int, int]]):
        self.tensor = tensor
        self.image_sizes = image_sizes

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    def to(self, *args, **kwargs) -> "ImageList":
        """Return the images on another device, or as another type."""
        return ImageList(self.tensor.to(*args, **kwargs), self.image_sizes)

    @staticmethod
    def from_tensors(
        tensors: Sequence[torch.Tensor],
        size_divisibility: int = 0,
        pad_value: float = 0.0,
        padding_constraints: dict[str, int] | None = None,
    ) -> "ImageList":
        """Return the batch of `tensors`, each (C, H_i, W_i).

        Args:
            size_divisibility: the padded height and width are multiples of it; 0 or 1 for any.
            padding_constraints: what a backbone asks for: "size_divisibility", which replaces the
                argument, and "square_size", the side of a square that all images fit into.
        """
        image_sizes = [(tensor.shape[-2], tensor.shape[-1]) for tensor in tensors]
        constraints = padding_constraints or {}
        step = max(constraints.get("size_divisibility", size_divisibility), 1)
        square = constraints.get("square_size", 0)
        longest = [square or max(sides) for sides in zip(*image_sizes, strict=True)]
        # Whole division of negative numbers, the shorter way to round up, differs in exported graphs.
        height, width = ((side + step - 1) // step * step for side in longest)
        padded = [
            F.pad(tensor, (0, width - w, 0, height - h), value=pad_value)
            for tensor, (h, w) in zip(tensors, image_sizes, strict=True)
        ]
        return ImageList(torch.stack(padded), image_sizes)

    def __len__(self) -> int:
        return len(self.image_sizes)

    def __getitem__(self, idx: int) -> torch.Tensor:
        """Return one image without its padding, (C, H_i, W_i)."""
        height, width = self.image_sizes[idx]
        return self.tensor[idx, ..., :height, :width]
