"""Lists of records: joined over datasets, filtered and counted."""

import itertools
import logging
from collections.abc import Sequence

import numpy as np
from detectron2.utils.logger import log_first_n
from tabulate import tabulate

from .catalog import DatasetCatalog, MetadataCatalog
from .detection_utils import check_metadata_consistency

logger = logging.getLogger(__name__)


def filter_images_with_only_crowd_annotations(dataset_dicts: list[dict]) -> list[dict]:
    """Returns the records that have an annotation which is no crowd."""
    kept = [d for d in dataset_dicts if any(a.get("iscrowd", 0) == 0 for a in d["annotations"])]
    num_removed = len(dataset_dicts) - len(kept)
    logger.info("left out %d images without usable annotations, %d remain", num_removed, len(kept))
    return kept


def print_instances_class_histogram(dataset_dicts: list[dict], class_names: Sequence[str]) -> None:
    """Logs how many annotations each class has, crowds not counted.

    Raises:
        ValueError: a category_id is no index into class_names.
    """
    classes = np.array(
        [a["category_id"] for d in dataset_dicts for a in d["annotations"] if not a.get("iscrowd")],
        dtype=np.int64,
    )
    wrong = classes[(classes < 0) | (classes >= len(class_names))]
    if len(wrong):
        raise ValueError(
            f"category_id {wrong[0]} is no index into the {len(class_names)} class names; records "
            "need contiguous 0-based ids"
        )
    counts = np.bincount(classes, minlength=len(class_names))
    cells = [(name[:20], n) for name, n in zip(class_names, counts, strict=True)]
    cells.append(("total", counts.sum()))
    columns = min(3, len(cells))
    rows = [
        itertools.chain.from_iterable(cells[i : i + columns]) for i in range(0, len(cells), columns)
    ]
    table = tabulate(rows, headers=["class", "#instances"] * columns, tablefmt="pipe")
    log_first_n(logging.INFO, "instances per class:\n" + table, key="message")


def get_detection_dataset_dicts(
    names: str | Sequence[str], filter_empty: bool = True, *, check_consistency: bool = True
) -> list[dict]:
    """Returns the records of one or more datasets, one after the other.

    Args:
        names: of registered datasets.
        filter_empty: whether to leave out images without annotations (those that have only crowd
            annotations included).
        check_consistency: whether to check that the datasets have the same classes.

    Raises:
        ValueError: no name, a dataset without records, classes that differ, or nothing left.
    """
    names = [names] if isinstance(names, str) else list(names)
    if not names:
        raise ValueError("no dataset given; set DATASETS.TRAIN or DATASETS.TEST")
    datasets = [DatasetCatalog.get(name) for name in names]
    for name, dicts in zip(names, datasets, strict=True):
        if not dicts:
            raise ValueError(f"dataset {name!r} has no records; look at its annotation file")
    records = list(itertools.chain.from_iterable(datasets))
    if "annotations" in records[0]:
        if filter_empty:
            records = filter_images_with_only_crowd_annotations(records)
        if check_consistency:
            _check_classes(records, names)
    if not records:
        raise ValueError(f"no image of {', '.join(names)} has annotations to train on")
    return records


def _check_classes(records: list[dict], names: Sequence[str]) -> None:
    class_names = MetadataCatalog.get(names[0]).get("thing_classes")
    if class_names is None:
        logger.info("dataset %r has no thing_classes, so classes are not checked", names[0])
        return
    check_metadata_consistency("thing_classes", names)
    print_instances_class_histogram(records, class_names)
