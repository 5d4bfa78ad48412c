"""Annotation files in the formats of COCO and LVIS, opened for scoring.

They are read by the reader of training. Hotcoco, which scores, gets arrays of what was read.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
from hotcoco import COCO, COCOeval
from hotcoco import mask as rle

from detic.datasets.annotation_fields import FAR_PX
from detic.datasets.annotation_file import IF_MISSING, AnnotationFile, read_annotation_file
from detic.datasets.segmentation import corners, usable_mask
from detic.documents import collector_paused
from detic.errors import InputError
from detic.evaluation.results_file import ResultsFile, check_fits
from detic.evaluation.scores import ClassTable, Evaluation, TaskScore, class_table
from detic.files import is_file
from detic.result_rows import ImageId

FAR_PX2 = FAR_PX**2  # no object is as large
# Fields of images and categories that scoring needs
IMAGE_FIELDS = ("height", "width", "neg_category_ids", "not_exhaustive_category_ids")
CATEGORY_FIELDS = ("id", "frequency")

Annotations = str | Path | AnnotationFile  # a file, or one that was read

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GroundTruth:
    """The annotated objects of a test set, M of them in the order of their images."""

    content: AnnotationFile

    @cached_property
    def images(self) -> dict[ImageId, dict]:
        """The images by id."""
        return {image["id"]: image for image in self.content.images}

    @cached_property
    def annotations(self) -> list[dict]:
        """All annotations, M, image after image."""
        return list(chain.from_iterable(of for _, of in self.content.images_with_annotations()))

    @cached_property
    def has_masks(self) -> bool:
        """Whether any annotation has a mask."""
        return any(annotation.get("segmentation") for annotation in self.annotations)

    @cached_property
    def number_of_image(self) -> dict[ImageId, int] | None:
        """A number for each image id, None if all ids are numbers that hotcoco takes."""
        if all(type(image_id) is int and image_id >= 0 for image_id in self.images):
            return None
        return {image_id: number for number, image_id in enumerate(self.images, start=1)}

    @cached_property
    def classes(self) -> ClassTable:
        """The classes with the number of their instances that are no crowd."""
        counted = Counter(a["category_id"] for a in self.annotations if not a.get("iscrowd", 0))
        return class_table(self.content.categories, counted)

    def annotations_of_class(self, category_id: int) -> list[dict]:
        """Return the annotations of a class that are no crowd."""
        return [
            annotation
            for annotation in self.annotations
            if annotation["category_id"] == category_id and not annotation.get("iscrowd", 0)
        ]

    @collector_paused()
    def to_coco(self, *, with_masks: bool) -> COCO:
        """Return the ground truth as hotcoco has it; its annotations are numbered from 1.

        Args:
            with_masks: whether masks are scored; boxes stand for those that are missing.
        """
        number_of = self.number_of_image or {}
        columns = {
            name: np.array([annotation.get(name, 0) for annotation in self.annotations], np.int64)
            for name in ("category_id", "iscrowd")
        }
        image_ids = [annotation["image_id"] for annotation in self.annotations]
        return COCO.from_arrays(
            images=[
                {"id": number_of.get(image["id"], image["id"])} | _only(image, IMAGE_FIELDS)
                for image in self.content.images
            ],
            categories=[
                {"name": str(category["id"])} | _only(category, CATEGORY_FIELDS)
                for category in self.content.categories
            ],
            image_ids=np.array([number_of.get(i, i) for i in image_ids], dtype=np.int64),
            category_ids=columns["category_id"],
            boxes=np.array([a["bbox"] for a in self.annotations], np.float64).reshape(-1, 4),
            area=np.array(list(map(self._area, self.annotations)), dtype=np.float64),
            iscrowd=columns["iscrowd"],
            segmentation=self._masks() if with_masks else None,
        )

    def _masks(self) -> list[list | dict]:
        """Return the mask of each annotation, or its box as one."""
        masks = [usable_mask(a.get("segmentation")) for a in self.annotations]
        num_missing = masks.count(None)
        if num_missing:
            logger.warning(
                "%s: %d of %d annotations have no mask; where masks are scored, their boxes count",
                *(self.content.path, num_missing, len(masks)),
            )
        return [
            [corners(annotation["bbox"])] if mask is None else mask
            for annotation, mask in zip(self.annotations, masks, strict=True)
        ]

    @cached_property
    def _has_areas(self) -> bool:
        """Whether the file has areas; some tools write 0 for all."""
        return any(_given_area(annotation) for annotation in self.annotations)

    def _area(self, annotation: dict) -> float:
        """Return the area of an annotation: that of the file if it has one."""
        given = _given_area(annotation)
        if given is not None and self._has_areas:
            return given
        mask = usable_mask(annotation.get("segmentation"))
        if mask is None:
            return annotation["bbox"][2] * annotation["bbox"][3]
        image = self.images[annotation["image_id"]]
        if isinstance(mask, list):
            mask = rle.merge(rle.fr_py_objects(mask, image["height"], image["width"]))
        return rle.area(mask)

    @contextmanager
    def numbered(self, results: ResultsFile) -> Iterator[ResultsFile]:
        """Give detections whose image ids are those of ``to_coco``, in a file as hotcoco takes it.

        Our own files are such. Those from elsewhere may have a byte-order mark, for instance.
        """
        if self.number_of_image is None and results.content is None:
            yield results
            return
        with results.with_image_ids(self.number_of_image or {}) as numbered:
            yield numbered


def _given_area(annotation: dict) -> float | None:
    """Return the area that the file gives, None for what is no area."""
    area: Any = annotation.get("area")
    is_number = type(area) is float or type(area) is int
    return area if is_number and 0 <= area < FAR_PX2 else None


def _only(record: dict, fields: Sequence[str]) -> dict[str, Any]:
    return {name: record[name] for name in fields if name in record}


def prepare(
    annotations: Annotations, results: ResultsFile, tasks: Sequence[str]
) -> tuple[GroundTruth, list[str]]:
    """Return the ground truth, and the tasks that can be scored, boxes first.

    Raises:
        InputError: the file is malformed, or the detections do not fit it.
    """
    truth = read_ground_truth(annotations)
    path = truth.content.path
    tasks = tasks_to_score(tasks, truth.has_masks, path)
    check_fits(results, truth.images, truth.classes.ids, tasks, path)
    return truth, tasks


def use_mask_areas(detections: COCO, results: ResultsFile) -> None:
    """Make the size of a detection that of its mask; loaded with a box, it was the box's."""
    if results.mask_areas is not None and len(results):
        ids = np.array(detections.get_ann_ids())  # positions in the file, from 1
        detections.update_anns(ids=ids, area=results.mask_areas[ids - 1])


def accumulated(evaluation: COCOeval) -> dict[str, np.ndarray]:
    """Return precision (T, R, K, A, M) and recall (T, K, A, M) of images that were evaluated."""
    evaluation.accumulate()
    return cast(dict[str, np.ndarray], evaluation.eval)


def as_evaluation(
    truth: GroundTruth, classes: ClassTable, scores: dict[str, TaskScore]
) -> Evaluation:
    """Return scores together with the ground truth they refer to."""
    return Evaluation(
        classes=classes,
        tasks=scores,
        num_images=len(truth.images),
        annotations_of_class=truth.annotations_of_class,
    )


def read_ground_truth(annotations: Annotations) -> GroundTruth:
    """Return the content of an annotation file.

    Raises:
        InputError: it is missing, malformed, or without images or categories.
    """
    if isinstance(annotations, AnnotationFile):
        content = annotations
    else:
        check_is_file(annotations)
        content = read_annotation_file(annotations)
    for section, records in (("images", content.images), ("categories", content.categories)):
        if not records:
            raise InputError(
                f"{content.path} has no {section}; expected an annotation file in COCO's or LVIS's "
                "format"
            )
    return GroundTruth(content)


def check_is_file(path: str | Path) -> None:
    """Check that an annotation file is there, before hours are spent on predictions."""
    if not is_file(path):
        raise InputError(f"annotation file {path} not found; {IF_MISSING}")


def tasks_to_score(tasks: Sequence[str], masks_annotated: bool, path: str | Path) -> list[str]:
    """Return the tasks that the annotations allow, boxes first.

    Raises:
        InputError: only masks are to be scored, and the file has none.
    """
    if masks_annotated or "segm" not in tasks:
        return sorted(tasks)
    if "bbox" not in tasks:
        raise InputError(f"{path} lacks masks, so task segm cannot be scored; choose bbox")
    logger.warning("%s lacks masks: only boxes are evaluated", path)
    return ["bbox"]
