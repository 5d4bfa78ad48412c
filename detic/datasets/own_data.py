"""Data that a recipe names itself, next to the datasets of the table."""

from collections.abc import Iterable

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from detic.datasets.box_sources import register_box_sources
from detic.datasets.image_labels.registration import register_image_sources
from detic.errors import InputError
from detic.paths import find_file
from detic.vocabulary.model_classes import (
    check_class_count,
    is_class_list,
    model_class_names,
)
from detic.vocabulary.names import loose_name


def register_own_data(cfg: CfgNode) -> None:
    """Register what ``DATALOADER.BOX_SOURCES`` and ``IMAGE_SOURCES`` name.

    What is registered already stays, so that training and evaluation may both ask.

    Raises:
        InputError: an entry is not usable, or the model's vocabulary file has another number of
            classes than ``MODEL.ROI_HEADS.NUM_CLASSES``.
    """
    path = find_file(cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH)
    if is_class_list(path):
        check_class_count(path, cfg.MODEL.ROI_HEADS.NUM_CLASSES)
    register_box_sources(cfg)
    register_image_sources(cfg)


def check_class_order(cfg: CfgNode, datasets: Iterable[str]) -> None:
    """Check that datasets number their classes as the model's vocabulary file does.

    Registered datasets have an order of their own, which does not ask for the model's. Recipes
    whose classifier is a file of embeddings are trusted.

    Args:
        cfg: a whole configuration.
        datasets: names as in DATASETS.TRAIN or DATASETS.TEST, of one dataset each.

    Raises:
        InputError: a class of a dataset is another class of the model.
    """
    path = find_file(cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH)
    if not is_class_list(path):
        return
    names = model_class_names(path)
    for dataset in datasets:
        if dataset in DatasetCatalog.list():  # if not, its loading says so
            _check_order(dataset, MetadataCatalog.get(dataset).get("thing_classes") or (), names)


def _check_order(dataset: str, own_names: Iterable[str], names: tuple[str, ...]) -> None:
    for index, own_name in enumerate(own_names):
        name = names[index] if index < len(names) else None
        if name is None or loose_name(own_name) != loose_name(name):
            raise InputError(
                f"class number {index + 1} of dataset {dataset!r} is {own_name!r}, that of the "
                f"model {name!r}; put {{name: my_{dataset}, dataset: {dataset}}} into "
                f"DATALOADER.BOX_SOURCES and use my_{dataset}, whose classes are matched by name"
            )
