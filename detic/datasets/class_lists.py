"""The class lists of the registered datasets, as detectron2's metadata wants them.

They are read when they are first looked into, so registering a dataset opens no file.
"""

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cache, cached_property, partial

from detectron2.data import MetadataCatalog

from detic.datasets.annotation_file import read_checked_document
from detic.datasets.annotation_table import AnnotationTable
from detic.errors import InputError
from detic.vocabulary.builtin import FOLDER, builtin_categories


class LazyList(Sequence):
    """A read-only list made by ``read()`` when first needed; equal to a list with its elements."""

    __hash__ = None  # type: ignore[assignment]  # as of every list

    def __init__(self, read: Callable[[], list]):
        self._read = read

    @cached_property
    def _elements(self) -> list:
        return self._read()

    def __getitem__(self, index):
        return self._elements[index]

    def __len__(self) -> int:
        return len(self._elements)

    def __eq__(self, other: object) -> bool:
        return self._elements == (other._elements if isinstance(other, LazyList) else other)

    def __repr__(self) -> str:
        return repr(self._elements)


class LazyDict(Mapping):
    """A read-only dictionary made by ``read()`` when first needed; equal to one with its items."""

    def __init__(self, read: Callable[[], dict]):
        self._read = read

    @cached_property
    def _items(self) -> dict:
        return self._read()

    def __getitem__(self, key: Hashable):
        return self._items[key]

    def __iter__(self) -> Iterator:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(self._items)


ReadCategories = Callable[[], list[dict]]
Metadata = dict[str, LazyList | LazyDict]
builtin = cache(builtin_categories)


@cache
def zeroshot_split() -> dict[str, list[str]]:
    """Return the COCO class names that open-vocabulary COCO calls ``seen`` and ``unseen``."""
    return json.loads((FOLDER / "coco_zeroshot_split.json").read_text(encoding="utf-8"))


def zeroshot_categories(group: str) -> list[dict]:
    """Return the COCO categories of a group of open-vocabulary COCO, by id.

    Args:
        group: ``seen`` (48 classes), ``unseen`` (17) or ``all`` (both); 15 classes are in neither.
    """
    split = zeroshot_split()
    wanted = set(split["seen"] + split["unseen"] if group == "all" else split[group])
    return [category for category in builtin("coco") if category["name"] in wanted]


def lvis_names() -> list[str]:
    """Return the 1203 names of LVIS v1, the first synonym of each class.

    The embeddings of the released models are those of ``name``; the two differ for one class.
    """
    return [category["synonyms"][0] for category in builtin("lvis")]


def lvis_image_counts() -> list[dict]:
    """Return ``{"id", "image_count"}`` of each LVIS class, counted on its training set."""
    return [{key: category[key] for key in ("id", "image_count")} for category in builtin("lvis")]


def read_objects365_v1() -> list[dict]:
    """Return the categories of Objects365 v1, which are not those of v2."""
    return json.loads((FOLDER / "objects365_v1.json").read_text(encoding="utf-8"))


@cache
def categories_of_file(json_file: str) -> list[dict]:
    """Return the categories of an annotation file, by id."""
    categories = read_checked_document(json_file, ("categories",))["categories"]
    return sorted(categories, key=lambda category: category["id"])


def class_metadata(vocabulary: str | None, json_file: str) -> Metadata:
    """Return the metadata that the class list gives a dataset; nothing is read yet.

    Args:
        vocabulary: a key of ``CLASS_METADATA``; None: the classes are those of the file.
        json_file: the annotation file of the dataset.
    """
    if vocabulary is None:
        return _with_index(partial(categories_of_file, json_file))
    return CLASS_METADATA[vocabulary]


def _names(read: ReadCategories) -> list[str]:
    return [category["name"] for category in read()]


def _index(read: ReadCategories) -> dict[int, int]:
    return {category["id"]: index for index, category in enumerate(read())}


def _with_index(read: ReadCategories) -> Metadata:
    """Return the metadata of a class list whose ids have gaps or whose evaluator asks for them."""
    return {
        "thing_classes": LazyList(partial(_names, read)),
        "thing_dataset_id_to_contiguous_id": LazyDict(partial(_index, read)),
    }


# Vocabulary of a dataset: the metadata it gives. Nothing is read before it is looked into.
CLASS_METADATA: dict[str, Metadata] = {
    "lvis": {
        "thing_classes": LazyList(lvis_names),
        "class_image_count": LazyList(lvis_image_counts),
    },
    "imagenet21k": {"thing_classes": LazyList(partial(_names, partial(builtin, "imagenet21k")))},
    "coco": _with_index(partial(builtin, "coco")),
    "coco_seen": _with_index(partial(zeroshot_categories, "seen")),
    "coco_unseen": _with_index(partial(zeroshot_categories, "unseen")),
    "objects365": _with_index(partial(builtin, "objects365")),
    "objects365_v1": _with_index(read_objects365_v1),
    "openimages": _with_index(partial(builtin, "openimages")),
}


def check_class_count(table: AnnotationTable, dataset_name: str | None) -> None:
    """Check that a file has as many categories as its dataset has classes.

    A class is the rank of its id, so with other categories every label would mean something else.
    """
    names = None
    if dataset_name is not None:
        names = MetadataCatalog.get(dataset_name).get("thing_classes")
    if names is not None and len(names) != len(table.categories):
        raise InputError(
            f"{table.path} has {len(table.categories)} categories, dataset '{dataset_name}' "
            f"has {len(names)} classes; `detic data check {dataset_name}` tells how the "
            "file is made"
        )
