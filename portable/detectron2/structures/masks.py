"""Instance masks as bitmaps and as polygons.

Shapes: N masks, H x W image, S side of a mask target. Polygons are flat arrays x0, y0, x1, y1 ...
in pixels, and one instance may consist of several.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from detectron2.layers import ROIAlign, paste_masks_in_image
from detectron2.structures.boxes import Boxes
from pycocotools import mask as coco_mask

_MIN_BOX_SIDE = 0.1  # pixels; keeps the scale of a degenerate box finite


def polygons_to_bitmask(polygons: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """Return the union of `polygons` as a bitmap, (height, width) bool, by COCO's rasteriser."""
    if len(polygons) == 0:
        return np.zeros((height, width), dtype=bool)
    runs = coco_mask.frPyObjects([np.asarray(p).tolist() for p in polygons], height, width)
    return coco_mask.decode(coco_mask.merge(runs)).astype(bool)


def polygon_area(x: np.ndarray, y: np.ndarray) -> float:
    """Return the area of a polygon with corners (x_i, y_i), by the shoelace formula."""
    return 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def rasterize_polygons_within_box(
    polygons: list[np.ndarray], box: np.ndarray, mask_size: int
) -> torch.Tensor:
    """Return the part of an instance's `polygons` in a box (4,), stretched to (S, S) bool."""
    return _rasterized([polygons], np.asarray(box)[None], mask_size)[0]


def _rasterized(
    polygons: Sequence[list[np.ndarray]], boxes_xyxy: np.ndarray, mask_size: int
) -> torch.Tensor:
    """Return the polygons of each instance inside its box of (N, 4), (N, S, S) bool.

    COCO's rasteriser is called once for all.
    """
    targets = np.zeros((len(boxes_xyxy), mask_size, mask_size), dtype=bool)
    parts = [part for of_instance in polygons for part in of_instance]
    if parts:
        numbers = [len(of_instance) for of_instance in polygons]
        instances = np.repeat(np.arange(len(numbers)), numbers)  # of each part
        local = _inside(parts, boxes_xyxy.astype(np.float64)[instances], mask_size)
        runs = coco_mask.frPyObjects(local, mask_size, mask_size)
        bitmaps = coco_mask.decode(runs).view(bool).transpose(2, 0, 1)
        chosen, first = np.unique(instances, return_index=True)
        targets[chosen] = np.logical_or.reduceat(bitmaps, first)
    return torch.from_numpy(targets)


def _inside(parts: list[np.ndarray], boxes_xyxy: np.ndarray, mask_size: int) -> list[list[float]]:
    """Return each polygon in the coordinates of its box of (P, 4), whose sides become S long."""
    lengths = [len(part) for part in parts]
    of_point = np.repeat(np.arange(len(parts)), np.array(lengths) // 2)
    scales = mask_size / np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], _MIN_BOX_SIDE)
    points = np.concatenate(parts).reshape(-1, 2) - boxes_xyxy[of_point, :2]
    numbers = (points * scales[of_point]).reshape(-1).tolist()
    ends = np.cumsum(lengths).tolist()
    return [numbers[end - n : end] for end, n in zip(ends, lengths, strict=True)]


class BitMasks:
    """N masks of one image as bitmaps.

    Attributes:
        tensor: (N, H, W) bool.
        image_size: (H, W).
    """

    def __init__(self, tensor: torch.Tensor | np.ndarray):
        tensor = torch.as_tensor(tensor).to(torch.bool)
        if tensor.dim() != 3:
            raise ValueError(f"expected bitmaps of shape (N, H, W), got {tuple(tensor.shape)}")
        self.tensor = tensor
        self.image_size = (tensor.shape[1], tensor.shape[2])

    @staticmethod
    def cat(bitmasks_list: list["BitMasks"]) -> "BitMasks":
        """Return the masks of all, which belong to images of one size."""
        return BitMasks(torch.cat([masks.tensor for masks in bitmasks_list]))

    def to(self, *args, **kwargs) -> "BitMasks":
        """Return the masks on another device."""
        return BitMasks(self.tensor.to(*args, **kwargs))

    @staticmethod
    def from_polygon_masks(
        polygon_masks: "PolygonMasks | list[list[np.ndarray]]", height: int, width: int
    ) -> "BitMasks":
        """Return polygons, per instance a list of them, as bitmaps of an image of that size."""
        if isinstance(polygon_masks, PolygonMasks):
            polygon_masks = polygon_masks.polygons
        masks = [polygons_to_bitmask(polygons, height, width) for polygons in polygon_masks]
        return BitMasks(np.array(masks, dtype=bool).reshape(-1, height, width))

    @staticmethod
    def from_roi_masks(roi_masks: "ROIMasks", height: int, width: int) -> "BitMasks":
        """Not possible: masks of regions need their boxes; see `ROIMasks.to_bitmasks`."""
        raise NotImplementedError("use ROIMasks.to_bitmasks(boxes, height, width)")

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    def nonempty(self) -> torch.Tensor:
        """Return which masks have at least one pixel, (N,) bool."""
        return self.tensor.flatten(1).any(dim=1)

    def crop_and_resize(self, boxes: torch.Tensor, mask_size: int) -> torch.Tensor:
        """Return mask i inside box i of (N, 4), by RoIAlign and cut at one half, (N, S, S) bool."""
        index = torch.arange(len(self), device=boxes.device, dtype=boxes.dtype)[:, None]
        rois = torch.cat((index, boxes), dim=1)
        bitmaps = self.tensor.to(device=boxes.device, dtype=torch.float32)[:, None]
        return ROIAlign((mask_size, mask_size), 1.0, 0)(bitmaps, rois)[:, 0] >= 0.5

    def get_bounding_boxes(self) -> Boxes:
        """Return the tight boxes, whose far corner is one past the last pixel; zeros if empty."""
        boxes = torch.zeros(len(self), 4)
        for index, mask in enumerate(self.tensor):
            y, x = mask.any(dim=1).nonzero()[:, 0], mask.any(dim=0).nonzero()[:, 0]
            if len(y) > 0:
                boxes[index] = boxes.new_tensor([x[0], y[0], x[-1] + 1, y[-1] + 1])
        return Boxes(boxes)

    def __getitem__(self, item: int | slice | torch.Tensor) -> "BitMasks":
        """Return the chosen masks; an int gives one mask, still as `BitMasks`."""
        return BitMasks(self.tensor[item].reshape(-1, *self.image_size))

    def __iter__(self) -> Iterator[torch.Tensor]:
        """Yield each mask, (H, W) bool."""
        yield from self.tensor

    def __len__(self) -> int:
        return self.tensor.shape[0]


class PolygonMasks:
    """N masks of one image, each a list of polygons.

    Attributes:
        polygons: per instance, its polygons as float64 arrays.
    """

    def __init__(self, polygons: list[list[np.ndarray]]):
        self.polygons = [[_checked_polygon(p) for p in instance] for instance in polygons]

    @staticmethod
    def cat(polymasks_list: list["PolygonMasks"]) -> "PolygonMasks":
        """Return the masks of all, in order."""
        return _of_checked([instance for masks in polymasks_list for instance in masks.polygons])

    def to(self, *args, **kwargs) -> "PolygonMasks":
        """Return the masks themselves: polygons have no device."""
        return self

    def nonempty(self) -> torch.Tensor:
        """Return which instances have a polygon, (N,) bool."""
        return torch.tensor([len(instance) > 0 for instance in self.polygons], dtype=torch.bool)

    def crop_and_resize(self, boxes: torch.Tensor, mask_size: int) -> torch.Tensor:
        """Return mask i inside box i of (N, 4), rasterised at that size, (N, S, S) bool.

        The result is on the device of the boxes.
        """
        boxes_xyxy = boxes.detach().cpu().numpy()
        return _rasterized(self.polygons, boxes_xyxy, mask_size).to(boxes.device)

    def get_bounding_boxes(self) -> Boxes:
        """Return the tight boxes; zeros for an instance without polygons."""
        boxes = torch.zeros(len(self), 4)
        for index, instance in enumerate(self.polygons):
            if instance:
                points = np.concatenate(instance).reshape(-1, 2)
                boxes[index] = torch.from_numpy(np.concatenate((points.min(0), points.max(0))))
        return Boxes(boxes)

    def __getitem__(self, item: int | slice | list[int] | torch.Tensor) -> "PolygonMasks":
        """Return the chosen masks; an int gives one mask, still as `PolygonMasks`."""
        if isinstance(item, torch.Tensor) and item.device.type != "cpu":
            from detectron2.structures._chosen_polygons import ChosenPolygons

            return ChosenPolygons.of(self, item)
        item = item.numpy() if isinstance(item, torch.Tensor) else item
        rows = np.atleast_1d(np.arange(len(self))[item])
        return _of_checked([self.polygons[row] for row in rows])

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        """Yield the polygons of each instance."""
        return iter(self.polygons)

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    def area(self) -> torch.Tensor:
        """Return the areas in square pixels, (N,); overlaps within an instance count twice."""
        areas = [sum(polygon_area(p[0::2], p[1::2]) for p in polygons) for polygons in self]
        return torch.tensor(areas)

    def __len__(self) -> int:
        return len(self.polygons)


def _of_checked(polygons: list[list[np.ndarray]]) -> PolygonMasks:
    """Return masks of polygons that are known to be some."""
    masks = PolygonMasks([])
    masks.polygons = polygons
    return masks


class ROIMasks:
    """N masks of one image, each stretched over a box.

    Attributes:
        tensor: (N, S, S) probabilities.
    """

    def __init__(self, tensor: torch.Tensor):
        if tensor.dim() != 3:
            raise ValueError(f"expected masks of shape (N, S, S), got {tuple(tensor.shape)}")
        self.tensor = tensor

    def to(self, device: torch.device | str) -> "ROIMasks":
        """Return the masks on another device."""
        return ROIMasks(self.tensor.to(device))

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def __getitem__(self, item) -> "ROIMasks":
        """Return the masks that a slice or a tensor chooses."""
        return ROIMasks(self.tensor[item])

    def to_bitmasks(
        self, boxes: torch.Tensor, height: int, width: int, threshold: float = 0.5
    ) -> BitMasks:
        """Return the masks inside their boxes (N, 4) of an image of that size."""
        return BitMasks(paste_masks_in_image(self.tensor, boxes, (height, width), threshold))


def _checked_polygon(polygon) -> np.ndarray:
    """Return a polygon as a float64 array of its own; ValueError if it has under 3 points."""
    points = np.array(polygon, dtype=np.float64)
    if points.ndim != 1 or len(points) % 2 != 0 or len(points) < 6:
        raise ValueError(
            f"a polygon is a flat list x0, y0, x1, y1 ... of 3 points or more, got {polygon}"
        )
    return points
