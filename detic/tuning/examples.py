"""Images that show classes: with boxes, or with names of what the whole image shows."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detic.datasets.annotation_file import read_annotation_file
from detic.datasets.image_labels.class_index import ClassIndex
from detic.datasets.image_labels.folders import load_image_folder
from detic.errors import InputError
from detic.vocabulary import EmbeddedVocabulary
from detic.vocabulary.vocabulary import BoxXYXY


@dataclass(frozen=True)
class BoxedObject:
    """An object of a class."""

    name: str
    box_xyxy: BoxXYXY  # pixels of the image as it is read


@dataclass(frozen=True, eq=False)
class ExampleImage:
    """An image, and what it shows."""

    image: np.ndarray | str | os.PathLike  # a path, or (H, W, 3) uint8 in BGR order
    objects: tuple[BoxedObject, ...] = ()
    labels: tuple[str, ...] = ()  # names of classes that the image shows somewhere
    name: str = ""  # in messages; by default the path

    def __str__(self) -> str:
        if self.name or isinstance(self.image, np.ndarray):
            return self.name or "an example"
        return os.fspath(self.image)


def boxed_examples(annotations: str | os.PathLike, images: str | os.PathLike) -> list[ExampleImage]:
    """Return the images of an annotation file that have boxes.

    Args:
        annotations: a file in the format of COCO or LVIS. Boxes of crowds are left out.
        images: the folder that its file names start from.

    Raises:
        InputError: the file is missing or malformed, or has no box.
    """
    file = read_annotation_file(annotations, with_masks_checked=False)
    name_of = {category["id"]: category["name"] for category in file.categories}
    examples = []
    for image, rows in file.images_with_annotations():
        objects = tuple(
            BoxedObject(name_of[row["category_id"]], _xyxy(row["bbox"]))
            for row in rows
            if not row.get("iscrowd")
        )
        if objects and "file_name" not in image:
            raise file.error("image", image, "it has no file_name, so it cannot be read")
        if objects:
            examples.append(ExampleImage(Path(images) / image["file_name"], objects))
    if not examples:
        raise InputError(f"{annotations} has no boxes; expected at least one of a class to tune")
    return examples


def labelled_examples(folder: str | os.PathLike, class_names: Sequence[str]) -> list[ExampleImage]:
    """Return the images in the folders below ``folder``, each named after a class.

    Raises:
        InputError: there are none, or one is named after no class.
    """
    records = load_image_folder(Path(folder), ClassIndex(class_names))
    return [
        ExampleImage(r["file_name"], labels=tuple(class_names[c] for c in r["pos_category_ids"]))
        for r in records
    ]


def examples_of_classes(vocabulary: EmbeddedVocabulary) -> list[ExampleImage]:
    """Return the examples that the classes of a vocabulary have; one without a box is a label."""
    return [
        ExampleImage(
            example.image,
            objects=() if example.box is None else (BoxedObject(entry.name, example.box),),
            labels=(entry.name,) if example.box is None else (),
        )
        for entry in vocabulary.entries
        for example in entry.examples
    ]


def without_examples(vocabulary: EmbeddedVocabulary) -> EmbeddedVocabulary:
    """Return a vocabulary whose classes have their vectors alone."""
    entries = tuple(replace(entry, examples=()) for entry in vocabulary.entries)
    return EmbeddedVocabulary(entries, vocabulary.embeddings)


def few_of_each(examples: Iterable[ExampleImage], count: int, seed: int = 0) -> list[ExampleImage]:
    """Return examples with at most ``count`` boxes and ``count`` labels of each class, drawn by ``seed``.

    Images that nothing is left of are left out.
    """
    examples = list(examples)
    order = np.random.default_rng(seed).permutation(sum(_size(e) for e in examples))
    rank = iter(order.tolist())
    ranked: dict[tuple[str, bool], list[int]] = {}
    ranks = [[next(rank) for _ in range(_size(e))] for e in examples]
    for example, of_image in zip(examples, ranks, strict=True):
        for key, place in zip(_keys(example), of_image, strict=True):
            ranked.setdefault(key, []).append(place)
    last = {key: sorted(places)[:count][-1] for key, places in ranked.items()}
    kept = []
    for example, of_image in zip(examples, ranks, strict=True):
        keys = _keys(example)
        is_kept = [place <= last[key] for key, place in zip(keys, of_image, strict=True)]
        objects = tuple(o for o, k in zip(example.objects, is_kept, strict=False) if k)
        labels = is_kept[len(example.objects) :]
        kept_labels = tuple(x for x, k in zip(example.labels, labels, strict=True) if k)
        kept.append(replace(example, objects=objects, labels=kept_labels))
    return [example for example in kept if _size(example)]


def _keys(example: ExampleImage) -> list[tuple[str, bool]]:
    """Return the class of each box and of each label, and whether it is a box."""
    return [(o.name, True) for o in example.objects] + [(name, False) for name in example.labels]


def _size(example: ExampleImage) -> int:
    return len(example.objects) + len(example.labels)


def _xyxy(box_xywh: Sequence[float]) -> BoxXYXY:
    x, y, width, height = box_xywh
    return (x, y, x + width, y + height)
