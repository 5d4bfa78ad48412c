"""The detections of one image as rows of COCO's result format.

N detections, H x W image.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from hotcoco import mask as rle

from detic.compact_masks import CompactMasks
from detic.detections import Detections

# What is kept of numbers that are rounded: a thousandth of a pixel, a millionth of a score
BOX_DIGITS = 3
SCORE_DIGITS = 6

ImageId = int | str


def box_xywh(row: dict) -> Sequence[float]:
    """Return the box of a row, or that of its mask if it has no box."""
    return row["bbox"] if "bbox" in row else rle.to_bbox(row["segmentation"]).tolist()


@dataclass(frozen=True)
class ResultRows:
    """The detections of one image, column by column."""

    image_id: ImageId
    category_ids: list[int]  # (N,)
    scores: list[float]  # (N,)
    boxes_xywh: list[list[float]]  # (N, 4) pixels
    masks: list[dict] | None = None  # N run-length encoded masks, (H, W) each

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[dict]:
        """Yield each detection as an object of a results file."""
        masks: Iterable[dict | None] = repeat(None, len(self)) if self.masks is None else self.masks
        columns = zip(self.category_ids, self.boxes_xywh, self.scores, masks, strict=True)
        for category_id, box, score, mask in columns:
            row: dict[str, Any] = {
                "image_id": self.image_id,
                "category_id": category_id,
                "bbox": box,
            }
            row["score"] = score
            yield row if mask is None else row | {"segmentation": mask}

    @property
    def mask_areas(self) -> list[int] | None:
        """The pixels of each mask; None without masks."""
        return None if self.masks is None else [rle.area(mask) for mask in self.masks]


def result_rows(
    image_id: ImageId,
    detections: Detections,
    category_ids: Sequence[int | None],
    *,
    rounded: bool = False,
) -> ResultRows:
    """Return the detections of an image as rows.

    Args:
        image_id: of the image in the annotation file.
        detections: what was found there.
        category_ids: the category id of each label; None: its detections are left out.
        rounded: whether to round numbers, which keeps files small.
    """
    id_of_each = [category_ids[label] for label in detections.labels.tolist()]
    ids = [category_id for category_id in id_of_each if category_id is not None]
    if len(ids) < len(id_of_each):
        detections = detections[np.array([category_id is not None for category_id in id_of_each])]
    # Rounding needs more digits than there are; scoring wants the numbers of the model.
    boxes: np.ndarray = detections.boxes_xyxy.astype(np.float64 if rounded else np.float32)
    boxes_xywh = np.hstack((boxes[:, :2], boxes[:, 2:] - boxes[:, :2])).tolist()
    scores = detections.scores.tolist()
    masks = None if detections.masks is None else encoded_masks(detections.masks)
    if rounded:
        boxes_xywh = [rounded_box(box) for box in boxes_xywh]
        scores = [rounded_score(score) for score in scores]
    return ResultRows(image_id, ids, scores, boxes_xywh, masks)


def encoded_masks(masks: np.ndarray | CompactMasks) -> list[dict]:
    """Return masks, (N, H, W) bool, as COCO's compressed run lengths, whose counts are text."""
    if isinstance(masks, CompactMasks):
        return masks.run_lengths()
    return [_encoded(mask) for mask in masks]  # one by one: masks can take all the memory there is


def _encoded(mask: np.ndarray) -> dict:
    import cv2

    # Runs go down the columns: OpenCV lays these out four times faster than the encoder does.
    columns: Any = cv2.transpose(np.ascontiguousarray(mask).view(np.uint8))
    encoded = rle.encode(columns.T)
    return {"size": encoded["size"], "counts": encoded["counts"].decode("ascii")}


def decoded_masks(coded: Sequence[dict], image_size_hw: tuple[int, int]) -> np.ndarray:
    """Return the masks, (N, H, W) bool, that ``encoded_masks`` encoded."""
    masks = np.zeros((len(coded), *image_size_hw), dtype=bool)
    for mask, of_mask in zip(masks, coded, strict=True):
        mask[...] = rle.decode(of_mask)
    return masks


def rounded_box(box: Sequence[float]) -> list[float]:
    """Return the four numbers of a box to a thousandth of a pixel."""
    return [round(float(value), BOX_DIGITS) for value in box]


def rounded_score(score: float) -> float:
    """Return a score from 0 to 1 to a millionth."""
    return round(float(score), SCORE_DIGITS)
