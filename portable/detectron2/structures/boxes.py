"""Axis-aligned boxes, their formats and their overlaps.

Shapes: N, M boxes; a box tensor is (N, 4) float32, XYXY in absolute pixels.
"""

from collections.abc import Iterator
from enum import IntEnum

import numpy as np
import torch
from detectron2.structures._finite import check_finite


class BoxMode(IntEnum):
    """How the numbers of a box are to be read. The values appear in dataset files."""

    XYXY_ABS = 0  # corners, pixels
    XYWH_ABS = 1  # first corner and size, pixels (COCO)
    XYXY_REL = 2  # as above, as fractions of the image size
    XYWH_REL = 3
    XYWHA_ABS = 4  # centre, size and angle of a rotated box

    @staticmethod
    def convert(box, from_mode: "BoxMode", to_mode: "BoxMode"):
        """Return `box` in another format, as the same type.

        Between XYXY_ABS and XYWH_ABS, from XYWH_ABS to XYWHA_ABS (angle 0), and from XYWHA_ABS to
        the smallest box around the rotated one in XYXY_ABS. It is one box as a list or tuple of 4
        numbers (5 with an angle, in degrees), or an array or tensor (..., 4).
        """
        if from_mode == to_mode:
            return box
        conversion = _CONVERSIONS.get((from_mode, to_mode))
        if conversion is None:
            raise ValueError(
                f"cannot convert boxes from {BoxMode(from_mode).name} to {BoxMode(to_mode).name}"
            )
        if isinstance(box, torch.Tensor):
            return conversion(box.clone())
        converted = conversion(torch.from_numpy(np.array(box))).numpy()
        return type(box)(converted.tolist()) if isinstance(box, list | tuple) else converted


def _corner_to_size(box: torch.Tensor) -> torch.Tensor:
    box[..., 2:] -= box[..., :2]
    return box


def _size_to_corner(box: torch.Tensor) -> torch.Tensor:
    box[..., 2:] += box[..., :2]
    return box


def _with_angle_zero(box: torch.Tensor) -> torch.Tensor:
    """Return (..., 5) centre, size and angle of boxes (..., 4) XYWH."""
    center = box[..., :2] + box[..., 2:] / 2.0
    return torch.cat((center, box[..., 2:], torch.zeros_like(center[..., :1])), dim=-1)


def _around_rotated(box: torch.Tensor) -> torch.Tensor:
    """Return the smallest boxes (..., 4) XYXY around rotated ones (..., 5)."""
    box = box if box.is_floating_point() else box.double()
    center, (width, height, angle) = box[..., :2], box[..., 2:].unbind(dim=-1)
    cosine, sine = torch.deg2rad(angle).cos().abs(), torch.deg2rad(angle).sin().abs()
    size = torch.stack((cosine * width + sine * height, cosine * height + sine * width), dim=-1)
    return torch.cat((center - size / 2, center + size / 2), dim=-1)


_CONVERSIONS = {
    (BoxMode.XYXY_ABS, BoxMode.XYWH_ABS): _corner_to_size,
    (BoxMode.XYWH_ABS, BoxMode.XYXY_ABS): _size_to_corner,
    (BoxMode.XYWH_ABS, BoxMode.XYWHA_ABS): _with_angle_zero,
    (BoxMode.XYWHA_ABS, BoxMode.XYXY_ABS): _around_rotated,
}


class Boxes:
    """N boxes of one image that index, concatenate and move like a tensor.

    Attributes:
        tensor: (N, 4) float32, XYXY.
    """

    def __init__(self, tensor: torch.Tensor):
        tensor = torch.as_tensor(tensor, dtype=torch.float32)
        is_table = tensor.dim() == 2 and tensor.shape[1] == 4
        if not is_table and tensor.numel() == 0:
            tensor = tensor.reshape(-1, 4)
        elif not is_table:
            raise ValueError(f"expected boxes of shape (N, 4), got {tuple(tensor.shape)}")
        self.tensor = tensor

    @classmethod
    def cat(cls, boxes_list: list["Boxes"]) -> "Boxes":
        """Return all boxes of the list, in order; no boxes for an empty list."""
        if not boxes_list:
            return cls(torch.empty(0, 4))
        return cls(torch.cat([boxes.tensor for boxes in boxes_list]))

    def clone(self) -> "Boxes":
        """Return a copy with its own memory."""
        return Boxes(self.tensor.clone())

    def to(self, device: torch.device | str) -> "Boxes":
        """Return the boxes on another device."""
        return Boxes(self.tensor.to(device=device))

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    def area(self) -> torch.Tensor:
        """Return the areas in square pixels, (N,)."""
        return (self.tensor[:, 2:] - self.tensor[:, :2]).prod(dim=1)

    def clip(self, box_size: tuple[int, int]) -> None:
        """Move corners outside an image of size (height, width) onto its border.

        `tensor` is replaced, so gradients and other holders of the old tensor are unaffected.
        Infinite or NaN coordinates raise ValueError on the CPU; usually a training has diverged. An
        accelerator would be waited for: there such boxes become NaN. They have no area, and what is
        computed of them is NaN too.
        """
        nan, tensor = float("nan"), self.tensor
        if tensor.device.type != "cpu":
            tensor = tensor.nan_to_num(nan=nan, posinf=nan, neginf=nan)
        elif not torch.compiler.is_compiling():  # a graph cannot raise
            check_finite(bool(torch.isfinite(tensor).all()))
        height, width = box_size
        x = tensor[:, 0::2].clamp(min=0, max=width)
        y = tensor[:, 1::2].clamp(min=0, max=height)
        self.tensor = torch.stack((x[:, 0], y[:, 0], x[:, 1], y[:, 1]), dim=1)

    def nonempty(self, threshold: float = 0.0) -> torch.Tensor:
        """Return which boxes have both sides longer than `threshold` pixels, (N,) bool."""
        return ((self.tensor[:, 2:] - self.tensor[:, :2]) > threshold).all(dim=1)

    def inside_box(self, box_size: tuple[int, int], boundary_threshold: int = 0) -> torch.Tensor:
        """Return which boxes lie in an image of (height, width) grown by a margin, (N,) bool."""
        height, width = box_size
        lower = self.tensor[:, :2] >= -boundary_threshold
        bounds = self.tensor.new_tensor([width + boundary_threshold, height + boundary_threshold])
        return (lower & (self.tensor[:, 2:] < bounds)).all(dim=1)

    def get_centers(self) -> torch.Tensor:
        """Return the centres (x, y), (N, 2)."""
        return (self.tensor[:, :2] + self.tensor[:, 2:]) / 2

    def scale(self, scale_x: float, scale_y: float) -> None:
        """Multiply the coordinates in place, as resizing the image would."""
        self.tensor[:, 0::2] *= scale_x
        self.tensor[:, 1::2] *= scale_y

    def __getitem__(self, item: int | slice | torch.Tensor) -> "Boxes":
        """Return the chosen boxes; an int gives one box, still as `Boxes`."""
        return Boxes(self.tensor[item].reshape(-1, 4))

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def __iter__(self) -> Iterator[torch.Tensor]:
        yield from self.tensor

    def __repr__(self) -> str:
        return f"Boxes({self.tensor})"


def pairwise_intersection(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """Return the common area of every pair, (N, M), in square pixels."""
    top_left = torch.maximum(boxes1.tensor[:, None, :2], boxes2.tensor[:, :2])
    bottom_right = torch.minimum(boxes1.tensor[:, None, 2:], boxes2.tensor[:, 2:])
    return (bottom_right - top_left).clamp(min=0).prod(dim=2)


def pairwise_iou(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """Return intersection over union of every pair, (N, M), 0 for pairs that do not meet."""
    intersection = pairwise_intersection(boxes1, boxes2)
    union = boxes1.area()[:, None] + boxes2.area() - intersection
    return _ratio_or_zero(intersection, union)


def pairwise_ioa(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """Return intersection over area of the second box, (N, M), 0 for pairs that do not meet."""
    intersection = pairwise_intersection(boxes1, boxes2)
    return _ratio_or_zero(intersection, boxes2.area().expand_as(intersection))


def matched_pairwise_iou(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """Return the IoU of box i of the first with box i of the second, (N,)."""
    top_left = torch.maximum(boxes1.tensor[:, :2], boxes2.tensor[:, :2])
    bottom_right = torch.minimum(boxes1.tensor[:, 2:], boxes2.tensor[:, 2:])
    intersection = (bottom_right - top_left).clamp(min=0).prod(dim=1)
    return _ratio_or_zero(intersection, boxes1.area() + boxes2.area() - intersection)


def pairwise_point_box_distance(points: torch.Tensor, boxes: Boxes) -> torch.Tensor:
    """Return the distances of points (N, 2) to the left, top, right and bottom side, (N, M, 4).

    They are in pixels, and all positive where the point is inside the box.
    """
    top_left = points[:, None] - boxes.tensor[:, :2]
    bottom_right = boxes.tensor[:, 2:] - points[:, None]
    return torch.cat((top_left, bottom_right), dim=2)


def _ratio_or_zero(intersection: torch.Tensor, area: torch.Tensor) -> torch.Tensor:
    """Return intersection / area where the pair meets; empty boxes would give 0/0 elsewhere."""
    return torch.where(intersection > 0, intersection / area, torch.zeros_like(intersection))
