"""Held-out images with boxes, and what a detector finds in them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detic.calibration.evidence import AnnotatedBoxes, Evidence, FoundBoxes
from detic.datasets.image_labels.class_index import ClassIndex
from detic.errors import InputError
from detic.evaluation.evaluation_set import annotated_set
from detic.evaluation.ground_truth import read_ground_truth

if TYPE_CHECKING:
    from detic.predictor import Detector

LOWEST_SCORE = 0.05  # of the detections that are looked at
BATCH_SIZE = 8  # images that are computed together


def add_annotated_images(
    evidence: Evidence, detector: "Detector", images: Sequence[tuple[str, AnnotatedBoxes]]
) -> None:
    """Add what a detector finds in images with boxes.

    Args:
        evidence: of the detector's vocabulary.
        detector: finds the objects.
        images: file and objects of each.

    Raises:
        InputError: an image cannot be read.
    """
    found = _found(detector, [path for path, _ in images])
    for (_, objects), boxes in zip(images, found, strict=True):
        evidence.add_boxes(boxes, objects)


def _found(detector: "Detector", paths: Sequence[str]) -> Iterator[FoundBoxes]:
    """Yield what a detector finds in each image, boxes as XYWH."""
    found = detector(
        list(paths), threshold=LOWEST_SCORE, masks=False, batch_size=BATCH_SIZE, stream=True
    )
    for detections in found:
        boxes = detections.boxes_xyxy.astype(float)
        boxes[:, 2:] -= boxes[:, :2]
        yield FoundBoxes(boxes.tolist(), detections.labels.tolist(), detections.scores.tolist())


def read_annotated_images(
    annotation_file: Path, image_root: Path, class_names: Sequence[str]
) -> list[tuple[str, AnnotatedBoxes]]:
    """Return the images of an annotation file with their objects, those of the named classes.

    In a file of COCO's format each image was searched for all categories that have annotations. A
    file of LVIS's format says for each image what it was searched for.

    Args:
        annotation_file: in COCO's or LVIS's format.
        image_root: folder that its file names are relative to.
        class_names: of the vocabulary; categories are matched to them by name.

    Raises:
        InputError: the file is malformed, or none of the categories that have annotations is in the
            vocabulary.
    """
    images = annotated_set(annotation_file, image_root=image_root)
    content, files = read_ground_truth(images.annotations).content, images.image_files()
    index = ClassIndex(class_names)
    named = {category["id"]: index.find(category["name"]) for category in content.categories}
    used = {a["category_id"] for of_image in content.annotations_of.values() for a in of_image}
    class_of = {key: found for key, found in named.items() if found is not None and key in used}
    if not class_of:
        raise InputError(
            f"{annotation_file}: no category that has annotations is in the vocabulary; categories "
            "are matched by name"
        )
    read = []
    for image, annotations in content.images_with_annotations():
        searched = class_of.keys() if images.kind == "coco" else _searched(image, annotations)
        kept = [a for a in annotations if a["category_id"] in class_of]
        objects = AnnotatedBoxes(
            boxes_xywh=[a["bbox"] for a in kept],
            classes=[class_of[a["category_id"]] for a in kept],
            is_crowd=[bool(a.get("iscrowd", 0)) for a in kept],
            exhaustive={class_of[key] for key in searched if key in class_of},
        )
        read.append((files[image["id"]], objects))
    return read


def _searched(image: dict, annotations: Sequence[dict]) -> set[int]:
    """Return the categories whose objects an image of LVIS has annotated, every one."""
    present = {annotation["category_id"] for annotation in annotations}
    absent = set(image.get("neg_category_ids", ()))
    return (present | absent) - set(image.get("not_exhaustive_category_ids", ()))
