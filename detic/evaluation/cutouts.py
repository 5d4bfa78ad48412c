"""Cutouts of annotated objects, with what was detected there.

Boxes are XYXY in pixels unless a name says XYWH.
"""

import logging
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from hotcoco import mask as rle

from detic.evaluation.results_file import ResultsFile
from detic.images import IMAGE_ERRORS, read_image
from detic.result_rows import ImageId, box_xywh

CUTOUTS_PER_CLASS = 3
TILE_PX = 200  # the longer side of a cutout
CONTEXT = 1.8  # side of a cut-out as a multiple of the object's longer side
MIN_CUT_PX = 64
JPEG_QUALITY = 82
MIN_IOU = 0.5  # of a detection with an object that it is said to show
ANNOTATED_BGR, DETECTED_BGR = (96, 174, 39), (20, 110, 245)  # green, orange

# (image (H, W, 3) BGR uint8, annotated boxes, detected boxes, texts of the detections) -> image
Draw = Callable[[np.ndarray, np.ndarray, np.ndarray, list[str]], np.ndarray]
AnnotationsOfClass = Callable[[int], list[dict]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cutout:
    """A cut-out with boxes drawn into it."""

    jpeg: bytes
    caption: str

    @property
    def base64(self) -> str:
        """The image as a page can contain it."""
        return b64encode(self.jpeg).decode("ascii")


def draw_rectangles(
    image: np.ndarray, annotated: np.ndarray, detected: np.ndarray, texts: list[str]
) -> np.ndarray:
    """Return the image with annotated boxes in green and detected boxes in orange.

    Args:
        image: (H, W, 3) BGR uint8.
        annotated: (G, 4)
        detected: (D, 4)
        texts: D, which captions show and the drawing does not.
    """
    image = image.copy()
    for boxes, color in ((annotated, ANNOTATED_BGR), (detected, DETECTED_BGR)):
        for x0, y0, x1, y1 in np.round(boxes).astype(int).tolist():
            cv2.rectangle(image, (x0, y0), (x1, y1), color, 2, cv2.LINE_AA)
    return image


def cutouts_of_classes(
    category_ids: Iterable[int],
    annotations_of_class: AnnotationsOfClass,
    results: ResultsFile,
    class_names: Mapping[int, str],
    image_files: Mapping[ImageId, str],
    draw: Draw,
) -> dict[int, list[Cutout]]:
    """Return cutouts of the largest objects of each class, by category id.

    Args:
        category_ids: the classes to show.
        annotations_of_class: the annotations of a category id.
        results: the detections.
        class_names: by category id.
        image_files: by image id. Objects in images that are not listed are not shown; nor those in
            files that cannot be read, which are warned of.
        draw: puts boxes into an image.
    """
    objects = {
        category_id: _largest_objects(annotations_of_class(category_id), image_files)
        for category_id in category_ids
    }
    wanted = {
        annotations[0]["image_id"] for of_class in objects.values() for annotations in of_class
    }
    detections_of = defaultdict(list)
    for row in results.rows_of_images(wanted):
        detections_of[row["image_id"]].append(row)
    cutouts, unreadable = defaultdict(list), []
    for category_id, of_class in objects.items():
        for annotations in of_class:
            image_id = annotations[0]["image_id"]
            try:
                image = read_image(image_files[image_id], "BGR")
            except IMAGE_ERRORS:
                unreadable.append(image_files[image_id])
                continue
            cutout = _cutout(image, annotations, detections_of[image_id], class_names, draw)
            cutouts[category_id].append(cutout)
    if unreadable:
        num_lost, first = len(unreadable), unreadable[0]
        logger.warning("the report lacks %d images that cannot be read: %s ...", num_lost, first)
    return cutouts


def _largest_objects(
    annotations: Sequence[dict], image_files: Mapping[ImageId, str]
) -> list[list[dict]]:
    """Return the annotations of a few images, the largest first, images with larger ones first."""
    of_image = defaultdict(list)
    for annotation in sorted(annotations, key=lambda a: -a["bbox"][2] * a["bbox"][3]):
        if annotation["image_id"] in image_files:
            of_image[annotation["image_id"]].append(annotation)
    return list(of_image.values())[:CUTOUTS_PER_CLASS]


def _cutout(
    image: np.ndarray,
    annotations: list[dict],
    detections: list[dict],
    class_names: Mapping[int, str],
    draw: Draw,
) -> Cutout:
    """Return the cut-out around the first of the annotations of one class in an image."""
    focus = annotations[0]
    shown = _seen_as(focus, detections)
    texts = [f"{class_names[row['category_id']]} {row['score']:.2f}" for row in shown]
    tile = tile_around(image, focus["bbox"])

    def in_tile(rows: list[dict]) -> np.ndarray:
        return tile.placed(np.array([_xyxy(row) for row in rows]).reshape(-1, 4))

    drawn = draw(tile.pixels, in_tile(annotations), in_tile(shown), texts)
    return Cutout(as_jpeg(drawn), "; ".join(texts) or "not detected")


@dataclass(frozen=True)
class Tile:
    """A part of an image at the size of a tile."""

    pixels: np.ndarray  # (H, W, 3) BGR uint8
    left: int  # of the part in the image
    top: int
    scale: float  # pixels of the tile in one of the image

    def placed(self, xy: np.ndarray) -> np.ndarray:
        """Return points or boxes of the image, (N, 2 K) of x and y in turn, as they are in the tile."""
        corner = np.tile((self.left, self.top), xy.shape[-1] // 2)
        return (xy - corner) * self.scale


def tile_around(image: np.ndarray, box_xywh: Sequence[float]) -> Tile:
    """Return the part of an image (H, W, 3) BGR uint8 around a box."""
    left, top, right, bottom = _cut(box_xywh, image.shape[:2])
    scale = TILE_PX / max(right - left, bottom - top)
    pixels = cv2.resize(
        image[top:bottom, left:right],
        (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))),
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC,
    )
    return Tile(pixels, left, top, scale)


def as_jpeg(pixels: np.ndarray) -> bytes:
    """Return the file of an image (H, W, 3) BGR uint8."""
    _, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()


def _seen_as(focus: dict, detections: list[dict]) -> list[dict]:
    """Return the best detection of an object, and of another class if that one scores higher."""
    boxes_xywh = np.array([box_xywh(row) for row in detections], dtype=np.float64).reshape(-1, 4)
    ious = rle.bbox_iou(boxes_xywh, np.array([focus["bbox"]], dtype=np.float64), [False])
    hits = [row for row, iou in zip(detections, ious[:, 0], strict=True) if iou >= MIN_IOU]
    hits.sort(key=lambda row: -row["score"])
    right = [row for row in hits if row["category_id"] == focus["category_id"]][:1]
    return hits[:1] if hits[:1] == right else hits[:1] + right


def _cut(box_xywh: Sequence[float], image_size_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the part of the image around a box, a square where the image allows, XYXY."""
    x, y, width, height = box_xywh
    side = max(CONTEXT * max(width, height), MIN_CUT_PX)
    bounds = []
    for center, limit in zip((x + width / 2, y + height / 2), image_size_hw[::-1], strict=True):
        length = min(round(side), limit)
        start = min(max(round(center - length / 2), 0), limit - length)
        bounds.append((start, start + length))
    (left, right), (top, bottom) = bounds
    return left, top, right, bottom


def _xyxy(row: dict) -> tuple[float, float, float, float]:
    x, y, width, height = box_xywh(row)
    return x, y, x + width, y + height
