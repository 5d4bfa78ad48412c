"""A page of thumbnails of what was found, by class, lowest scores first, that needs no other file."""

import heapq
import logging
from base64 import b64encode
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from detic.errors import InputError, some_of
from detic.evaluation.cutouts import DETECTED_BGR, as_jpeg, tile_around
from detic.files import write_text
from detic.image_sources import ImageSource
from detic.labelling.labelled_images import Images, sources_of
from detic.labelling.shards import Failure
from detic.pages import template
from detic.review.polygons import mask_polygons

MAX_PER_CLASS = 12
MAX_TILES = 2000  # of a page, at 5 to 10 KB each, unless the user says how many a class has
_TOLERANCE_PX = 0.5  # of outlines, in pixels of the image

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoundObject:
    """An object that may be shown."""

    score: float
    image_id: int
    number: int  # in its image, from 0
    file_name: str
    image_size_hw: tuple[int, int]
    box_xyxy: Sequence[float]
    mask: dict | None


@dataclass
class ClassSheet:
    """What the page shows of a class."""

    name: str
    count: int = 0  # objects
    total_score: float = 0.0
    lowest: list[tuple[tuple, FoundObject]] = field(default_factory=list)  # a heap
    tiles: list[tuple[FoundObject, str]] = field(default_factory=list)  # with images in base64

    @property
    def mean_score(self) -> float:
        return self.total_score / self.count

    def add(self, found: FoundObject, limit: int) -> None:
        """Count an object, and keep it if its score is one of the lowest."""
        self.count += 1
        self.total_score += found.score
        item = ((-found.score, -found.image_id, -found.number), found)
        if len(self.lowest) < limit:
            heapq.heappush(self.lowest, item)
        else:
            heapq.heappushpop(self.lowest, item)


def write_contact_sheet(images: Images, path: Path, per_class: int | None = None) -> None:
    """Write the page; the working directory must be the job's base.

    Args:
        images: that were labelled. Of those that have changed or are gone, nothing is shown.
        path: of the page.
        per_class: thumbnails, at most; None: 12, or fewer so that the page has about 2000.

    Raises:
        InputError: there are objects, and all of their images have changed or are gone.
    """
    num_images, sheets = _lowest_scores(images, per_class or MAX_PER_CLASS)
    shown = per_class or max(1, min(MAX_PER_CLASS, MAX_TILES // max(len(sheets), 1)))
    chosen = {
        label: [found for _, found in sorted(sheet.lowest, reverse=True)[:shown]]
        for label, sheet in sheets.items()
    }
    tiles = _tiles(images, [found for of_class in chosen.values() for found in of_class])
    for label, sheet in sheets.items():
        keys = [(found.image_id, found.number) for found in chosen[label]]
        sheet.tiles = [tiles[key] for key in keys if key in tiles]
    page = template("detic.review", "contact_sheet.html.jinja").render(
        title=images.job.folder.name,
        num_images=num_images,
        sheets=[sheet for _, sheet in sorted(sheets.items())],
    )
    write_text(path, page)


def _lowest_scores(images: Images, limit: int) -> tuple[int, dict[int, ClassSheet]]:
    """Return the number of images, and of each class that was found the objects to be shown."""
    sheets: dict[int, ClassSheet] = {}
    num_images = 0
    for image in images:
        num_images += 1
        for number, found in enumerate(image["detections"]):
            sheet = sheets.setdefault(found["label"], ClassSheet(found["name"]))
            candidate = FoundObject(
                score=found["score"],
                image_id=image["image_id"],
                number=number,
                file_name=image["file_name"],
                image_size_hw=(image["height"], image["width"]),
                box_xyxy=found["box_xyxy"],
                mask=found.get("mask"),
            )
            sheet.add(candidate, limit)
    return num_images, sheets


def _tiles(
    images: Images, objects: Sequence[FoundObject]
) -> dict[tuple[int, int], tuple[FoundObject, str]]:
    """Return the thumbnails of objects by image and number; each image is read once."""
    of_image = defaultdict(list)
    for found in objects:
        of_image[found.image_id].append(found)
    tiles, lost = {}, []
    for image_id, source in sources_of(images.job, of_image, some_may_be_lost=True):
        here = of_image.pop(image_id)
        pixels = _pixels(source, here[0].image_size_hw)
        if pixels is None:
            lost.append(here[0].file_name)
            continue
        for found in here:
            jpeg = as_jpeg(_drawn(pixels, found))
            tiles[image_id, found.number] = (found, b64encode(jpeg).decode("ascii"))
    lost += [found.file_name for found, *_ in of_image.values()]
    if lost and not tiles:
        raise InputError(f"none of the images is as it was when it was labelled, such as {lost[0]}")
    if lost:
        logger.warning(
            "the page lacks %d images that have changed or are gone: %s", len(lost), some_of(lost)
        )
    return tiles


def _pixels(source: ImageSource | Failure, size_hw: tuple[int, int]) -> np.ndarray | None:
    """Return an image, unless it is gone or has another size now."""
    try:
        pixels = None if isinstance(source, Failure) else source.read()
    except InputError:
        return None
    return None if pixels is None or pixels.shape[:2] != size_hw else pixels


def _drawn(pixels: np.ndarray, found: FoundObject) -> np.ndarray:
    """Return the part of an image around an object, with its mask's outline or its box."""
    left, top, right, bottom = found.box_xyxy
    tile = tile_around(pixels, (left, top, right - left, bottom - top))
    outlines = [] if found.mask is None else mask_polygons(found.mask, _TOLERANCE_PX)
    placed = [np.round(tile.placed(points)) for points in outlines or [_corners(found.box_xyxy)]]
    closed = [points.astype(np.int32) for points in placed]
    cv2.polylines(tile.pixels, closed, True, DETECTED_BGR, 2, cv2.LINE_AA)
    return tile.pixels


def _corners(box_xyxy: Sequence[float]) -> np.ndarray:
    left, top, right, bottom = box_xyxy
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
