"""Polygon masks chosen by rows that an accelerator knows.

Shapes: N masks of an image, S side of a mask target.
"""

from collections.abc import Sequence

import numpy as np
import torch
from detectron2.structures.masks import PolygonMasks, _rasterized


class ChosenPolygons(PolygonMasks):
    """Rows of polygon masks, looked up when their polygons are asked for.

    So choosing rows on an accelerator waits for nothing.
    """

    def __init__(self, chosen_from: list[list[np.ndarray]], rows: torch.Tensor):
        """`rows`: (N,) int64 into `chosen_from`."""
        self._chosen_from = chosen_from
        self.rows = rows
        self._polygons: list[list[np.ndarray]] | None = None

    @classmethod
    def of(cls, masks: PolygonMasks, item: torch.Tensor) -> "ChosenPolygons":
        """Return the rows `item` of masks: indices, or (N,) bool."""
        rows = torch.arange(len(masks), device=item.device)[item].reshape(-1)
        return cls(masks.polygons, rows)

    @property
    def polygons(self) -> list[list[np.ndarray]]:
        """Per instance, its polygons as float64 arrays."""
        if self._polygons is None:
            self.look_up(self.rows.tolist())
        return self._polygons

    def look_up(self, rows: list[int]) -> None:
        """Choose the polygons; `rows` are the numbers in the tensor."""
        self._polygons = [self._chosen_from[row] for row in rows]

    def __getitem__(self, item: int | slice | list[int] | torch.Tensor) -> PolygonMasks:
        if isinstance(item, torch.Tensor) and item.device.type != "cpu":
            return ChosenPolygons(self._chosen_from, self.rows[item].reshape(-1))
        return super().__getitem__(item)

    def __len__(self) -> int:
        return len(self.rows)


def crop_and_resize_all(
    masks: Sequence[PolygonMasks], boxes: Sequence[torch.Tensor], mask_size: int
) -> torch.Tensor:
    """Return mask i of an image inside its box i of (N, 4), of all images, (all N, S, S) bool.

    The result is on the device of the boxes, which is waited for once.
    """
    chosen = [m for m in masks if isinstance(m, ChosenPolygons)]
    numbers = [of_image.flatten().double() for of_image in (*boxes, *(m.rows for m in chosen))]
    known = torch.cat(numbers).detach().cpu().split([len(of_image) for of_image in numbers])
    for m, rows in zip(chosen, known[len(boxes) :], strict=True):
        m.look_up(rows.long().tolist())
    boxes_xyxy = torch.cat(known[: len(boxes)]).reshape(-1, 4).numpy()
    polygons = [of_mask for m in masks for of_mask in m.polygons]
    return _rasterized(polygons, boxes_xyxy, mask_size).to(boxes[0].device, non_blocking=True)
