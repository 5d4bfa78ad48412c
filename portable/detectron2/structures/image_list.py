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
        tensors: Sequence[torch.Tensor],
        size_divisibility: int = 0,
        pad_value: float = 0.0,
        padding_constraints: dict[str, int] | None = None,
    ) -> "ImageList":
        """Returns the batch of `tensors`, each (C, H_i, W_i).

        Args:
            tensors: at least one image.
            size_divisibility: the padded height and width become multiples of it; 0 or 1 for any.
            pad_value: fills the padding.
            padding_constraints: what a backbone asks for, and it wins over the arguments:
                "size_divisibility", and "square_size", a fixed side length (0 for none).
        """
        constraints = padding_constraints or {}
        image_sizes = [(tensor.shape[-2], tensor.shape[-1]) for tensor in tensors]
        padded_hw = _padded_size(
            image_sizes,
            constraints.get("size_divisibility", size_divisibility),
            constraints.get("square_size", 0),
        )
        padded = [
            F.pad(tensor, (0, padded_hw[1] - width, 0, padded_hw[0] - height), value=pad_value)
            for tensor, (height, width) in zip(tensors, image_sizes, strict=True)
        ]
        return ImageList(torch.stack(padded), image_sizes)

    def to(self, *args, **kwargs) -> "ImageList":
        """Returns the batch with the tensor moved or cast, as `torch.Tensor.to` does."""
        return ImageList(self.tensor.to(*args, **kwargs), self.image_sizes)

    @property
    def device(self) -> torch.device:
        """The device of `tensor`."""
        return self.tensor.device

    def __len__(self) -> int:
        return len(self.image_sizes)

    def __getitem__(self, idx: int) -> torch.Tensor:
        """Returns one image without its padding, (C, H_i, W_i)."""
        height, width = self.image_sizes[idx]
        return self.tensor[idx, ..., :height, :width]


def _padded_size(
    image_sizes: list[tuple[int, int]], size_divisibility: int, square_size: int
) -> tuple[int, int]:
    """Returns the (height, width) that holds all images."""
    height = max(size[0] for size in image_sizes)
    width = max(size[1] for size in image_sizes)
    if square_size > 0:
        if max(height, width) > square_size:
            raise ValueError(
                f"an image of {height} x {width} pixels does not fit the fixed input size "
                f"{square_size} x {square_size} of the backbone; resize it first"
            )
        height = width = square_size
    step = max(size_divisibility, 1)
    return -(-height // step) * step, -(-width // step) * step
