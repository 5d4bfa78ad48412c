"""Annotated images become files in COCO's format: training, validation, and labels of whole images."""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from detic.errors import InputError, some_of
from detic.files import write_json
from detic.own_data.annotated import TEST, TRAIN, VAL, AnnotatedImage, AnnotatedObject
from detic.vocabulary.names import composed, loose_name

logger = logging.getLogger(__name__)

LABELS = "labels"  # beside TRAIN and VAL: images with labels of the whole
VAL_SHARE = 0.2  # of the images with boxes, where the data do not say which validate
BACKGROUND = {"background", "bg", "ignore", "none"}  # loose names; no classes


@dataclass(frozen=True)
class OwnClasses:
    """The classes of one's own data, in the order of their names."""

    with_boxes: tuple[str, ...]  # in training
    without_boxes: tuple[str, ...]  # with labels of whole images, or in validation only

    @property
    def names(self) -> tuple[str, ...]:
        return self.with_boxes + self.without_boxes


@dataclass(frozen=True)
class OwnFiles:
    """Files in COCO's format, and what is in them."""

    image_root: Path  # the folder that names of images are relative to
    classes: OwnClasses
    num_boxes: dict[str, int] = field(default_factory=dict)  # by class, in training
    num_images: dict[str, int] = field(default_factory=dict)  # by key of paths
    paths: dict[str, Path] = field(default_factory=dict)  # by TRAIN, VAL and LABELS
    has_masks: bool = False  # in validation, so that masks can be scored


def write_files(images: Sequence[AnnotatedImage], folder: Path) -> OwnFiles:
    """Write the files of annotated images below a folder, where what is empty is left out.

    Raises:
        InputError: a name cannot be that of a class, or nothing is left to validate on.
    """
    images = with_common_names(images)
    labelled = [image for image in images if image.labels]
    training, validation = split(image for image in images if image.objects or not image.labels)
    classes = _classes(training, [*validation, *labelled])
    root = Path(os.path.commonpath([image.path.resolve().parent for image in images]))
    num_boxes = Counter(o.name for image in training for o in image.objects if not o.is_crowd)
    numbers = {name: number for number, name in enumerate(classes.names, start=1)}
    paths, counts = {}, {}
    for key, chosen in ((TRAIN, training), (VAL, validation), (LABELS, labelled)):
        if chosen:
            paths[key] = folder / f"{key}.json"
            counts[key] = len(chosen)
            write_json(paths[key], document(chosen, numbers, root, with_labels=key == LABELS))
    has_masks = any(o.mask for image in validation for o in image.objects)
    return OwnFiles(root, classes, dict(num_boxes), counts, paths, has_masks)


def with_common_names(images: Iterable[AnnotatedImage]) -> list[AnnotatedImage]:
    """Return images with one spelling of each class, the first: "Red_bottle" and "red bottle" are one.

    Raises:
        InputError: a name is empty or says that there is nothing.
    """
    spelling: dict[str, str] = {}
    wrong: dict[str, Path] = {}

    def common(name: str, path: Path) -> str:
        loose = loose_name(name)
        if not loose or loose in BACKGROUND:
            wrong.setdefault(name, path)
        return spelling.setdefault(loose, composed(" ".join(name.replace("_", " ").split())))

    renamed = [
        replace(
            image,
            objects=tuple(replace(o, name=common(o.name, image.path)) for o in image.objects),
            labels=tuple(dict.fromkeys(common(name, image.path) for name in image.labels)),
        )
        for image in images
    ]
    if wrong:
        named = some_of([f"{name!r} (as in {path})" for name, path in wrong.items()])
        raise InputError(
            f"{named}: no name of a class; give it a name that says what is seen, or delete what is "
            "annotated with it"
        )
    _warn_of_numbers(spelling.values())
    return renamed


def _warn_of_numbers(names: Iterable[str]) -> None:
    silent = [name for name in names if not any(c.isalpha() for c in name)]
    if silent:
        logger.warning(
            "the names of classes are what the detector starts from, and %s say nothing; better names "
            "give a better start",
            some_of([repr(name) for name in silent]),
        )


def split(
    images: Iterable[AnnotatedImage],
) -> tuple[list[AnnotatedImage], list[AnnotatedImage]]:
    """Return the images to train and to validate on.

    Those of ``val`` validate, else those of ``test``, else a share of the others, chosen by the hash of
    their file names: the same images whenever data are added. Where ``val`` validates, ``test`` is
    left out.

    Raises:
        InputError: there are none to train on, or none to validate on.
    """
    images = list(images)
    if not images:
        return [], []
    by_split = {s: [i for i in images if i.split == s] for s in (TRAIN, VAL, TEST, None)}
    training = by_split[TRAIN] + by_split[None]
    validation = by_split[VAL] or by_split[TEST]
    if by_split[VAL] and by_split[TEST]:
        logger.info("left out %d images of the test split", len(by_split[TEST]))
    if not validation and len(training) > 1:
        training, validation = _by_hash(training)
    if not training or not validation:
        raise InputError(
            f"{len(training)} images with boxes to train on, {len(validation)} to validate on; more are "
            "needed, or name others with --val"
        )
    return training, validation


def _by_hash(
    images: Sequence[AnnotatedImage],
) -> tuple[list[AnnotatedImage], list[AnnotatedImage]]:
    ranked = sorted(images, key=lambda image: (hash_share(image.path.name), str(image.path)))
    count = sum(hash_share(image.path.name) < VAL_SHARE for image in ranked)
    count = min(max(count, 1), len(ranked) - 1)
    chosen = {id(image) for image in ranked[:count]}
    training = [image for image in images if id(image) not in chosen]
    return training, ranked[:count]


def hash_share(name: str) -> float:
    """Return a number from 0 to below 1 that is always the same for a name."""
    return int.from_bytes(hashlib.sha256(name.encode(errors="surrogatepass")).digest()[:4]) / 2**32


def _classes(training: Iterable[AnnotatedImage], others: Iterable[AnnotatedImage]) -> OwnClasses:
    boxed = {o.name for image in training for o in image.objects if not o.is_crowd}
    named = {name for image in others for name in (*image.labels, *_names(image))} - boxed
    return OwnClasses(tuple(sorted(boxed)), tuple(sorted(named)))


def _names(image: AnnotatedImage) -> list[str]:
    return [found.name for found in image.objects]


def document(
    images: Sequence[AnnotatedImage],
    numbers: dict[str, int],
    root: Path,
    *,
    with_labels: bool = False,
) -> dict:
    """Return a file in COCO's format; of labels of whole images, in LVIS's.

    Args:
        images: in the order of the file.
        numbers: ids of the classes, from 1, by name.
        root: the folder that names of images are relative to.
        with_labels: whether images have labels rather than boxes.
    """
    records = [_record(number, image, root) for number, image in enumerate(images, start=1)]
    annotations: list[dict] = []
    for record, image in zip(records, images, strict=True):
        if with_labels:
            record["pos_category_ids"] = [numbers[label] for label in image.labels]
            record |= {"neg_category_ids": [], "not_exhaustive_category_ids": []}
            continue
        for found in image.objects:
            ids = {"id": len(annotations) + 1, "image_id": record["id"]}
            annotations.append(ids | _annotation(found, numbers[found.name]))
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    return {"images": records, "annotations": annotations, "categories": categories}


def _record(number: int, image: AnnotatedImage, root: Path) -> dict:
    height, width = image.size_hw
    name = os.path.relpath(image.path.resolve(), root)
    return {"id": number, "file_name": name, "width": width, "height": height}


def _annotation(found: AnnotatedObject, category_id: int) -> dict:
    annotation = {
        "category_id": category_id,
        "bbox": list(found.box_xywh),
        "iscrowd": int(found.is_crowd),
    }
    return annotation | ({"segmentation": found.mask} if found.mask else {})
