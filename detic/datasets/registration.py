"""Registering the datasets of the table with detectron2. Importing this module does it.

No file is opened: records are loaded when ``DatasetCatalog.get`` asks for them, class names are
read when they are first looked into.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial

from detectron2.data import DatasetCatalog, MetadataCatalog

from detic.datasets.class_lists import class_metadata
from detic.datasets.coco_style import coco_style_table
from detic.datasets.image_records import RecordsOnDemand
from detic.datasets.lvis_style import lvis_style_table, records_as_of_detectron2
from detic.datasets.table import DETECTRON2_SPECS, DETIC_SPECS, DatasetSpec
from detic.datasets.table_records import TableRecords
from detic.paths import datasets_root


def load_records(spec: DatasetSpec, root: str | os.PathLike) -> TableRecords:
    """Return the records of a dataset, see ``load_lvis_style_json`` and ``load_coco_style_json``.

    Args:
        spec: the dataset; its file must have the classes of its vocabulary.
        root: the folder that its paths are relative to.
    """
    load = lvis_style_table if spec.is_lvis_style else coco_style_table
    return load(
        os.path.join(root, spec.annotation_file),
        os.path.join(root, spec.image_root),
        None if spec.vocabulary is None else spec.name,
    )


def register_dataset(spec: DatasetSpec, root: str | os.PathLike) -> None:
    """Register a dataset's loader and metadata.

    Args:
        spec: the dataset; its name must not be registered yet.
        root: the folder that its paths are relative to.
    """
    json_file = os.path.join(root, spec.annotation_file)
    DatasetCatalog.register(spec.name, RecordsOnDemand(partial(load_records, spec, root)))
    MetadataCatalog.get(spec.name).set(
        json_file=json_file,
        image_root=os.path.join(root, spec.image_root),
        evaluator_type=spec.evaluator,
        has_checked_annotations=True,
        **class_metadata(spec.vocabulary, json_file),
    )


def load_on_demand(name: str) -> Sequence[dict]:
    """Return the records of a registered dataset, made when they are asked for where that is possible.

    The sets of LVIS that detectron2 registers are read by us, as they are large.
    """
    loader = DatasetCatalog[name]
    if isinstance(loader, RecordsOnDemand):
        return loader.load()
    spec = next((spec for spec in DETECTRON2_SPECS if spec.name == name), None)
    if spec is None or spec.evaluator != "lvis" or not is_of_detectron2(loader):
        return DatasetCatalog.get(name)
    metadata = MetadataCatalog.get(name)
    records = records_as_of_detectron2(metadata.json_file, metadata.image_root)
    return DatasetCatalog.get(name) if records is None else records


def is_of_detectron2(loader: Callable) -> bool:
    """Return whether detectron2 has registered a loader, rather than a user in its place."""
    function = loader.func if isinstance(loader, partial) else loader
    return getattr(function, "__module__", "").startswith("detectron2.")


for _spec in DETIC_SPECS:
    register_dataset(_spec, datasets_root())
