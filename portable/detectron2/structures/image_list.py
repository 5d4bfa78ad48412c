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

    @staticmethod
    def from_tensors(
        tensors: Sequence[torch.Tensor], size_divisibility: int = 0, pad_value: float = 0.0
    ) -> "ImageList":
        """Return the batch of `tensors`, each (C, H_i, W_i).

        The padded height and width are multiples of `size_divisibility`; 0 or 1 for any.
        """
        image_sizes = [(tensor.shape[-2], tensor.shape[-1]) for tensor in tensors]
        step = max(size_divisibility, 1)
        height, width = (-(-max(sides) // step) * step for sides in zip(*image_sizes, strict=True))
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
