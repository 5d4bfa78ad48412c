"""Naming data with boxes in a recipe, so that DATASETS.TRAIN and DATASETS.TEST can use them.

    DATASETS:
      TRAIN: ["my_boxes", "replay"]
      TEST: ["my_val"]
    DATALOADER:
      BOX_SOURCES:
        - {name: my_boxes, format: coco, annotations: datasets/my/train.json, images: datasets/my}
        - {name: my_val, format: coco, annotations: datasets/my/val.json, images: datasets/my}
        - {name: replay, dataset: lvis_v1_train_norare}

``format`` is ``coco`` or ``lvis``: how the annotation file is read, and how detections are scored.
``dataset`` stands for the format and the files of a registered dataset. Categories are matched to
the model's classes by name, whatever their ids and their order. No file of the data is opened
before the data are used.

What a detector has found can be trained on, too. By the ``score`` of each box, some are chosen:

        - {name: found, format: coco, annotations: datasets/my/found.json, images: datasets/my,
           min_score: 0.6, uncertain_from: 0.2, labelled_classes: categories}

``min_score``, ``min_score_of`` (by category) and ``top_share`` (of each category, the best) choose;
of the others, those from ``uncertain_from`` on become places where nothing is background.
``weigh_by_score`` weighs the losses of a box. ``labelled_classes`` are the only classes that the
absence of a box says something about: a list of names, ``categories`` for all of the file or
``annotated`` for those that have boxes. It also serves annotations without scores.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog

from detic.datasets.annotation_cache import read_annotation_table
from detic.datasets.annotation_table import AnnotationTable
from detic.datasets.class_lists import LazyDict
from detic.datasets.coco_style import coco_style_records
from detic.datasets.image_labels.class_index import ClassIndex
from detic.datasets.image_records import RecordsOnDemand
from detic.datasets.lvis_style import lvis_style_records
from detic.datasets.score_selection import ScoreSelection, selected
from detic.datasets.table import find_spec
from detic.datasets.table_records import TableRecords
from detic.errors import InputError, shown, unknown_choice
from detic.paths import dataset_path, datasets_root
from detic.value_rules import Rule, list_of, number, number_above
from detic.vocabulary.model_classes import ModelClasses

WHERE = "DATALOADER.BOX_SOURCES"
OWN_FIELDS = ("name", "format", "annotations", "images")
REGISTERED_FIELDS = ("name", "dataset")

# labelled_classes: all categories of the annotation file, those of its boxes
CATEGORIES, ANNOTATED = "categories", "annotated"
SCORE = number(0, 1)
TEXT = Rule(lambda value: isinstance(value, str), "a text")
NAMES = list_of(TEXT, at_least=1)
# Fields that an entry may have besides, and what they have to be
OPTIONS = {
    "min_score": SCORE,
    "min_score_of": Rule(
        lambda value: (
            isinstance(value, Mapping)
            and all(map(TEXT.holds, value))
            and all(map(SCORE.holds, value.values()))
        ),
        f"a mapping from names of categories, each to {SCORE.expected}",
    ),
    "top_share": number_above(0, 1),
    "uncertain_from": SCORE,
    "weigh_by_score": Rule(lambda value: isinstance(value, bool), "true or false"),
    "labelled_classes": Rule(
        lambda value: value in (CATEGORIES, ANNOTATED) or NAMES.holds(value),
        f"{CATEGORIES!r}, {ANNOTATED!r} or a list of names",
    ),
}
CHOOSING = ("min_score", "min_score_of", "top_share")

# By ``format`` of a recipe's entry
FORMATS: dict[str, Callable[[AnnotationTable, str], TableRecords]] = {
    "coco": coco_style_records,
    "lvis": lvis_style_records,
}


@dataclass(frozen=True)
class BoxSource:
    """One entry of ``DATALOADER.BOX_SOURCES``."""

    name: str
    format: str  # of the annotation file, a key of FORMATS
    evaluator: str  # how detections are scored
    annotations: str  # path of the annotation file
    images: str  # the folder that its file names are relative to
    has_coco_2014_names: bool = False  # as the benchmark's files in LVIS's format
    selection: ScoreSelection = field(default_factory=ScoreSelection)
    # The only classes whose absence is known: names, CATEGORIES or ANNOTATED; None: all
    labelled_classes: Sequence[str] | str | None = None

    def table(self) -> AnnotationTable:
        """Return the source's annotation file, without the boxes that are not chosen.

        Raises:
            InputError: it is malformed, or boxes cannot be chosen by its scores.
        """
        table = read_annotation_table(self.annotations)
        if not self.selection.looks_at_scores:
            return table
        return selected(table, self.selection, f"{WHERE} {self.name!r}")

    def records(self, table: AnnotationTable) -> TableRecords:
        """Return the records of the source's annotation file, with the classes of the file."""
        if self.has_coco_2014_names:
            return lvis_style_records(table, self.images, with_coco_2014_names=True)
        return FORMATS[self.format](table, self.images)


def register_box_sources(entries: Sequence[Mapping[str, Any]], classes: ModelClasses) -> None:
    """Register what ``DATALOADER.BOX_SOURCES`` names; what is registered already stays.

    Args:
        entries: of the recipe.
        classes: of the model, which categories are matched to by name.

    Raises:
        InputError: an entry lacks a field, has an unknown one, or its name is taken.
    """
    if not entries:
        return
    names = classes.names()
    for entry in entries:
        source = read_entry(entry)
        if source.name in DatasetCatalog.list():
            metadata = MetadataCatalog.get(source.name)
            if (metadata.get("box_source"), metadata.get("thing_classes")) != (source, names):
                raise InputError(
                    f"{WHERE}: there is another dataset {source.name!r}; choose another name"
                )
            continue
        _register(source, names)


def read_entry(entry: Mapping[str, Any]) -> BoxSource:
    """Return an entry of a recipe, with the paths where its files are.

    Raises:
        InputError: a field is missing, unknown or no text, or names something unknown.
    """
    if not isinstance(entry, Mapping):
        raise InputError(
            f"{WHERE} has {shown(entry)}; expected mappings with {', '.join(OWN_FIELDS)}"
        )
    needed = REGISTERED_FIELDS if "dataset" in entry else OWN_FIELDS
    for name in entry:
        if name not in needed and name not in OPTIONS:
            raise unknown_choice("field", name, (*needed, *OPTIONS), where=WHERE)
    missing = [name for name in needed if not isinstance(entry.get(name), str)]
    if missing:
        raise InputError(
            f"{WHERE} has {shown(dict(entry))}; give it a text for {', '.join(missing)}"
        )
    options = _read_options(entry)
    if "dataset" in entry:
        return replace(_of_registered(entry["name"], entry["dataset"]), **options)
    if entry["format"] not in FORMATS:
        raise unknown_choice("format", entry["format"], FORMATS, where=WHERE)
    return BoxSource(
        name=entry["name"],
        format=entry["format"],
        evaluator=entry["format"],
        annotations=str(dataset_path(entry["annotations"])),
        images=str(dataset_path(entry["images"])),
        **options,
    )


def _read_options(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a BoxSource that the options of an entry say."""
    where = f"{WHERE} {entry['name']!r}"
    given = {name: entry[name] for name in OPTIONS if name in entry}
    for name, value in given.items():
        if not OPTIONS[name].holds(value):
            expected = OPTIONS[name].expected
            raise InputError(f"{where}: {name} is {shown(value)}; expected {expected}")
    if "uncertain_from" in given and not any(name in given for name in CHOOSING):
        raise InputError(
            f"{where} has uncertain_from, which is about boxes that are not chosen; choose by "
            f"{', '.join(CHOOSING)}"
        )
    least = given.get("min_score")
    if least is not None and given.get("uncertain_from", 0) >= least:
        raise InputError(
            f"{where}: uncertain_from is {given['uncertain_from']}, min_score is {least}; boxes in doubt score "
            "less than those that are chosen"
        )
    labelled_classes = given.pop("labelled_classes", None)
    weighs = given.pop("weigh_by_score", False)
    selection = ScoreSelection(**given, weighs=weighs)
    return {"selection": selection, "labelled_classes": labelled_classes}


def _of_registered(name: str, dataset: str) -> BoxSource:
    spec = find_spec(dataset)
    return BoxSource(
        name=name,
        format="lvis" if spec.is_lvis_style else "coco",
        evaluator=spec.evaluator,
        annotations=os.path.join(datasets_root(), spec.annotation_file),
        images=os.path.join(datasets_root(), spec.image_root),
        has_coco_2014_names=spec.is_lvis_style,
    )


def _register(source: BoxSource, class_names: tuple[str, ...]) -> None:
    load = partial(load_box_source, source, class_names)
    DatasetCatalog.register(source.name, RecordsOnDemand(load))
    MetadataCatalog.get(source.name).set(
        json_file=source.annotations,
        image_root=source.images,
        evaluator_type=source.evaluator,
        has_checked_annotations=True,
        thing_classes=class_names,
        thing_dataset_id_to_contiguous_id=LazyDict(partial(_read_classes, source, class_names)),
        box_source=source,
    )


def load_box_source(source: BoxSource, class_names: Sequence[str]) -> TableRecords:
    """Return the records of a source, with the classes of the model.

    Args:
        source: where and how its files are.
        class_names: of the model, by class.

    Returns:
        Records as ``load_lvis_style_json`` and ``load_coco_style_json`` return them. As the source
        says, annotations have ``score`` besides, and records ``labelled_classes``, (C,) bool, and
        ``excludes_crowds``: what lies in crowds is no background.

    Raises:
        InputError: the file is malformed, or a category with annotations is no class of the model.
    """
    table, index = source.table(), ClassIndex(class_names)
    class_of_id = match_categories(table, index)
    classes = [class_of_id.get(category_id, -1) for category_id in table.class_index]
    records = source.records(table)
    common: dict[str, Any] = {}
    if source.selection.uncertain_from is not None:
        common["excludes_crowds"] = True
    if source.labelled_classes is not None:
        common["labelled_classes"] = _labelled(source, table, class_of_id, index)
    style = replace(
        records.style,
        with_scores=source.selection.weighs,
        with_crowds=records.style.with_crowds or "excludes_crowds" in common,
    )
    ranks = np.array(classes, dtype=np.int64)
    return replace(records, class_of_rank=ranks, style=style, common=common)


def _labelled(
    source: BoxSource, table: AnnotationTable, class_of_id: Mapping[int, int], index: ClassIndex
) -> np.ndarray:
    """Return which classes of the model, (C,) bool, a source is labelled for."""
    wanted = source.labelled_classes
    if wanted == CATEGORIES:
        classes = list(class_of_id.values())
    elif wanted == ANNOTATED:
        ranks = np.unique(table["classes"][table["crowds"] == 0])
        classes = [class_of_id[table.categories[rank]["id"]] for rank in ranks.tolist()]
    else:
        where = f"{WHERE} {source.name!r}, labelled_classes"
        classes = [index.require(name, where) for name in wanted or ()]
    is_labelled = np.zeros(len(index.class_names), dtype=bool)
    is_labelled[classes] = True
    return is_labelled


def match_categories(table: AnnotationTable, classes: ClassIndex) -> dict[int, int]:
    """Return the model's class of each category id.

    Categories that nothing is annotated with are left out if they are no class of the model, or the
    same class as another one.

    Raises:
        InputError: something is annotated with such a category, or two categories are one class.
    """
    used = table.used_categories()
    id_of_class: dict[int, int] = {}
    for category in sorted(table.categories, key=lambda category: category["id"] not in used):
        category_id, name = category["id"], category["name"]
        where = f"{table.path}, category {category_id}"
        is_used = category_id in used
        index = classes.require(name, where) if is_used else classes.find(name)
        if index is None or (index in id_of_class and not is_used):
            continue
        if index in id_of_class:
            raise InputError(
                f"{where}: {name!r} is the model's class {classes.class_names[index]!r}, and so is "
                f"category {id_of_class[index]}; make them one"
            )
        id_of_class[index] = category_id
    return {category_id: index for index, category_id in id_of_class.items()}


def _read_classes(source: BoxSource, class_names: Sequence[str]) -> dict[int, int]:
    return match_categories(source.table(), ClassIndex(class_names))
