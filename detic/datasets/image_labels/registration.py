"""Naming image-labelled data, in a program or in a recipe, so that DATASETS.TRAIN can use it.

In a recipe:

    DATASETS:
      TRAIN: ["lvis_v1_train", "my_birds"]
    DATALOADER:
      IMAGE_SOURCES:
        - {name: my_birds, format: folder, path: datasets/birds}

``format`` is ``folder``, ``tars``, ``shards`` or ``csv``. ``classes`` is a built-in vocabulary, a
file of class names, or a registered dataset, with the classes of the model in their order; left
out, they are those of the model. ``class_map`` may name a json
file from labels, such as WordNet ids, to classes. No file of the data is opened before the data are
used.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog

from detic.datasets.image_labels.class_index import ClassIndex, read_class_map
from detic.datasets.image_labels.class_tars import load_class_tars
from detic.datasets.image_labels.csv_table import load_csv_table
from detic.datasets.image_labels.folders import load_image_folder
from detic.datasets.image_labels.shards import load_shards
from detic.errors import InputError, shown, unknown_choice
from detic.paths import dataset_path
from detic.vocabulary import builtin, read_vocabulary_file
from detic.vocabulary.model_classes import ModelClasses

ClassMap = Mapping[str, int | str]
PathLike = str | Path

REQUIRED_FIELDS = ("name", "format", "path")
OPTIONAL_FIELDS = ("classes", "class_map")


def register_image_folder(
    name: str,
    root: PathLike,
    class_names: Sequence[str],
    *,
    class_map: ClassMap | None = None,
    index_file: PathLike | None = None,
) -> None:
    """Register images in folders, one folder a class.

    Args:
        name: for DATASETS.TRAIN.
        root: holds the folders, each named after its class (with spaces or underscores) or by a
            label of the map.
        class_names: of the model, by class.
        class_map: label -> category id, counted from 1, or class name; other labels are left out.
        index_file: where sizes of images are remembered; by default in ``root``.
    """
    load = partial(load_image_folder, Path(root), index_file=_path_or_none(index_file))
    _register(name, root, class_names, class_map, load)


def register_image_tars(
    name: str,
    root: PathLike,
    class_names: Sequence[str],
    *,
    class_map: ClassMap | None = None,
    index_dir: PathLike | None = None,
) -> None:
    """Register images in tar files, one tar file a class; see ``register_image_folder``.

    Args:
        index_dir: where the tar files are indexed; by default ``tarindex_npy`` in ``root``.
    """
    load = partial(load_class_tars, Path(root), index_dir=_path_or_none(index_dir))
    _register(name, root, class_names, class_map, load)


def register_image_shards(
    name: str,
    path: PathLike,
    class_names: Sequence[str],
    *,
    class_map: ClassMap | None = None,
    index_file: PathLike | None = None,
) -> None:
    """Register images in WebDataset shards; see ``register_image_folder``.

    Args:
        path: a shard or a folder of shards.
        index_file: where it is remembered what is in them; by default beside them.
    """
    load = partial(load_shards, Path(path), index_file=_path_or_none(index_file))
    _register(name, path, class_names, class_map, load)


def register_image_csv(
    name: str,
    csv_file: PathLike,
    class_names: Sequence[str],
    *,
    class_map: ClassMap | None = None,
    image_root: PathLike | None = None,
    index_file: PathLike | None = None,
) -> None:
    """Register images listed in a table; see ``register_image_folder``.

    Args:
        csv_file: has the header ``path,labels``; labels are separated by ``|``.
        image_root: folder that paths are relative to; by default that of the table.
        index_file: where sizes of images are remembered; by default beside the table.
    """
    load = partial(
        load_csv_table,
        Path(csv_file),
        image_root=_path_or_none(image_root),
        index_file=_path_or_none(index_file),
    )
    _register(name, csv_file, class_names, class_map, load)


# By ``format`` of a recipe's entry
FORMATS: dict[str, Callable[..., None]] = {
    "folder": register_image_folder,
    "tars": register_image_tars,
    "shards": register_image_shards,
    "csv": register_image_csv,
}


def register_image_sources(entries: Sequence[Mapping[str, str]], classes: ModelClasses) -> None:
    """Register what ``DATALOADER.IMAGE_SOURCES`` names; what is registered already stays.

    Args:
        entries: of the recipe.
        classes: of the model, for entries that name none.

    Raises:
        InputError: an entry lacks a field, has an unknown one, or its name is taken.
    """
    for entry in entries:
        _check_entry(entry)
        name = entry["name"]
        if name in DatasetCatalog.list():
            if MetadataCatalog.get(name).get("image_source") != dict(entry):
                raise InputError(
                    f"DATALOADER.IMAGE_SOURCES: there is another dataset {name!r}; choose another "
                    "name"
                )
            continue
        class_map = entry.get("class_map")
        FORMATS[entry["format"]](
            name,
            dataset_path(entry["path"]),
            class_names_of(entry["classes"]) if "classes" in entry else classes.names(),
            class_map=None if class_map is None else read_class_map(_existing(class_map)),
        )
        MetadataCatalog.get(name).set(image_source=dict(entry))


def class_names_of(classes: str) -> Sequence[str]:
    """Return the class names of a built-in vocabulary, a registered dataset or a file.

    Raises:
        InputError: it is none of these.
    """
    if classes in builtin.FILES:
        return builtin.builtin_vocabulary(classes).names
    if classes in DatasetCatalog.list():
        return MetadataCatalog.get(classes).thing_classes
    path = _existing(classes)
    if not path.is_file():
        choices = [*builtin.FILES, *DatasetCatalog.list()]
        raise unknown_choice("classes", classes, choices, where="DATALOADER.IMAGE_SOURCES")
    return read_vocabulary_file(path).names


def _register(
    name: str,
    path: PathLike,
    class_names: Sequence[str],
    class_map: ClassMap | None,
    load: Callable[..., list[dict]],
) -> None:
    if name in DatasetCatalog.list():
        raise InputError(f"there is a dataset {name!r} already; choose another name")
    DatasetCatalog.register(name, lambda: load(classes=ClassIndex(class_names, class_map)))
    MetadataCatalog.get(name).set(
        thing_classes=list(class_names), image_root=str(path), evaluator_type="imagenet"
    )


def _check_entry(entry: Mapping) -> None:
    where = "DATALOADER.IMAGE_SOURCES"
    if not isinstance(entry, Mapping):
        raise InputError(f"{where} has {shown(entry)}; expected mappings with {REQUIRED_FIELDS}")
    for field in entry:
        if field not in REQUIRED_FIELDS + OPTIONAL_FIELDS:
            raise unknown_choice("field", field, REQUIRED_FIELDS + OPTIONAL_FIELDS, where=where)
    missing = [field for field in REQUIRED_FIELDS if field not in entry]
    if missing:
        raise InputError(
            f"{where} has {shown(dict(entry))}; give it a text for {', '.join(missing)}"
        )
    for field, value in entry.items():
        if not isinstance(value, str):
            raise InputError(f"{where} has {shown(dict(entry))}; '{field}' must be a text")
    if entry["format"] not in FORMATS:
        raise unknown_choice("format", entry["format"], FORMATS, where=where)


def _existing(path: str) -> Path:
    """Return the path itself if it exists, else the path below the datasets root.

    So the class lists that come with the project are found wherever the datasets are.
    """
    return Path(path) if Path(path).exists() else dataset_path(path)


def _path_or_none(path: PathLike | None) -> Path | None:
    return None if path is None else Path(path)
