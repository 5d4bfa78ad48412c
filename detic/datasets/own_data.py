"""Data that a recipe names itself, next to the datasets of the table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog

from detic.datasets.box_sources import register_box_sources
from detic.datasets.image_labels.registration import register_image_sources
from detic.errors import InputError
from detic.vocabulary.model_classes import ModelClasses
from detic.vocabulary.names import loose_name


@dataclass(frozen=True)
class OwnData:
    """The entries of a recipe, and the classes that they are matched to."""

    box_sources: tuple[Mapping[str, Any], ...]
    image_sources: tuple[Mapping[str, str], ...]
    classes: ModelClasses

    @classmethod
    def from_config(cls, cfg) -> "OwnData":
        node = cfg.DATALOADER
        classes = ModelClasses.from_config(cfg)
        return cls(tuple(node.BOX_SOURCES), tuple(node.IMAGE_SOURCES), classes)

    def register(self) -> None:
        """Register the entries; what is registered already stays.

        Raises:
            InputError: an entry is not usable, or the model's vocabulary file has another number of
                classes than the model.
        """
        if self.classes.are_named:
            self.classes.check_count()
        register_box_sources(self.box_sources, self.classes)
        register_image_sources(self.image_sources, self.classes)


def check_class_order(classes: ModelClasses, datasets: Iterable[str]) -> None:
    """Check that datasets number their classes as the model's vocabulary file does.

    Registered datasets have an order of their own, which does not ask for the model's. Recipes
    whose classifier is a file of embeddings are trusted.

    Args:
        classes: of the model.
        datasets: names as in DATASETS.TRAIN or DATASETS.TEST, of one dataset each.

    Raises:
        InputError: a class of a dataset is another class of the model.
    """
    if not classes.are_named:
        return
    names = classes.names()
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
