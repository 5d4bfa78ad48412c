"""Registering the datasets of the table with detectron2. Importing this module does it.

No file is opened: records are loaded when ``DatasetCatalog.get`` asks for them, class names are
read when they are first looked into.
"""

import os
from functools import partial

from detectron2.data import DatasetCatalog, MetadataCatalog

from detic.datasets.class_lists import class_metadata
from detic.datasets.coco_style import coco_style_table
from detic.datasets.image_records import RecordsOnDemand
from detic.datasets.lvis_style import lvis_style_table
from detic.datasets.table import DETIC_SPECS, DatasetSpec
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


for _spec in DETIC_SPECS:
    register_dataset(_spec, datasets_root())
