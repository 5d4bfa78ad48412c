"""What the training loader knows about its images, loaded once per machine.

Shapes: N images in all sources together.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.utils import comm
from tabulate import tabulate

from detic.annotation import AnnotationKind
from detic.datasets.segmentation import fill_missing_masks
from detic.errors import InputError, unknown_choice
from detic.loading.records import (
    checked_annotations,
    pack_records,
    trainable_annotations,
)
from detic.loading.sampling import dataset_weights, repeat_factors
from detic.loading.shared_memory import ArrayWriter, SharedArrays, open_shared_arrays
from detic.loading.train_source import TrainSource

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DrawParams:
    """How often images are drawn."""

    weigh_datasets: bool  # in the proportions of the sources; else all images are one dataset
    repeat_threshold: float  # fraction of images below which a class is repeated
    repeat_sqrt: bool  # whether repeat factors of box classes are square roots


def load_dataset(name: str) -> list[dict]:
    """Return the records of a registered dataset.

    Raises:
        InputError: there is no such dataset, or it has no records.
    """
    if name not in DatasetCatalog.list():
        raise unknown_choice("dataset", name, DatasetCatalog.list())
    try:
        records = DatasetCatalog.get(name)
    except FileNotFoundError as error:
        raise InputError(
            f"dataset {name!r} needs {error.filename}; `detic data check {name}` tells "
            "how to get it"
        ) from error
    if not records:
        raise InputError(f"dataset {name!r} has no images; look at its annotation file")
    return records


def load_source(
    source: TrainSource,
    *,
    drop_empty: bool,
    num_classes: int,
    check_place: Callable[[dict], None],
) -> list[dict]:
    """Return the records of all datasets of a source.

    Args:
        source: its images.
        drop_empty: whether to leave out images without boxes, in a source that has boxes.
        num_classes: of the model.
        check_place: raises an InputError for a record whose image cannot be found.

    Raises:
        InputError: a dataset cannot be loaded, its classes are not those of the model, an image
            cannot be found, or nothing is left.
    """
    records = []
    for name in source.datasets:
        of_dataset = load_dataset(name)
        if source.kind is not AnnotationKind.PROPOSAL:
            _check_classes(of_dataset, name, num_classes)
        for record in of_dataset:
            check_place(record)
        if source.kind.has_boxes and not MetadataCatalog.get(name).get("has_checked_annotations"):
            of_dataset = [r | {"annotations": checked_annotations(r, name)} for r in of_dataset]
        records += of_dataset
    if drop_empty and source.kind.has_boxes:
        records = [record for record in records if _has_boxes(record)]
    if not records:
        raise InputError(f"no image of {source.name!r} has boxes to train on")
    if source.kind.has_box_classes:
        fill_missing_masks(records, source.name)
    return records


def build_training_arrays(
    sources: Sequence[TrainSource], records_of: Sequence[list[dict]], params: DrawParams
) -> SharedArrays:
    """Return the arrays of the training data.

    Args:
        sources: of the images.
        records_of: their records, by source.
        params: how often images are drawn.

    Returns:
        ``records`` and ``records_ends`` for ``PackedRecords``, ``sources`` (N,) int32, ``is_wide``
        (N,) bool for images wider than high, and unless all images are drawn alike
        ``draw_weights`` (N,) float32: weights, or repeat factors where datasets are not weighed.
    """
    writer = ArrayWriter()
    sizes = [len(records) for records in records_of]
    writer.add("sources", np.repeat(np.arange(len(sizes), dtype=np.int32), sizes))
    is_wide = [
        record.get("width", 0) > record.get("height", 0)
        for records in records_of
        for record in records
    ]
    writer.add("is_wide", np.array(is_wide, dtype=bool))
    weights = _draw_weights(sources, records_of, params)
    if weights is not None:
        writer.add("draw_weights", weights.numpy())
    pack_records(writer, _trainable_records(records_of))
    _log_sources(sources, sizes, params)
    return writer.finish()


def shared_by_machine(build: Callable[[], SharedArrays]) -> SharedArrays:
    """Return what ``build`` makes; one process of each machine builds, the others read along.

    All processes of the job call this together.
    """
    if comm.get_world_size() == 1:
        return build()
    arrays = build() if comm.get_local_rank() == 0 else None
    handles = comm.all_gather(None if arrays is None else arrays.handle)
    if arrays is None:
        try:
            arrays = open_shared_arrays(handles[comm.get_rank() - comm.get_local_rank()])
        except OSError as error:
            logger.warning("this process loads the data anew: it cannot read along (%s)", error)
            arrays = build()
    return arrays


def _has_boxes(record: dict) -> bool:
    return any(not annotation.get("iscrowd", 0) for annotation in record.get("annotations", ()))


def _check_classes(records: Sequence[dict], name: str, num_classes: int) -> None:
    for record in records:
        labels = [annotation["category_id"] for annotation in record.get("annotations", ())]
        labels += record.get("pos_category_ids", ())
        if labels and not 0 <= min(labels) <= max(labels) < num_classes:
            raise InputError(
                f"image {record.get('image_id')} of dataset {name!r} has class {max(labels)}, the "
                f"model has {num_classes} classes; use a dataset with the model's classes"
            )


def _draw_weights(
    sources: Sequence[TrainSource], records_of: Sequence[list[dict]], params: DrawParams
) -> torch.Tensor | None:
    def factors(records: Sequence[dict], kind: AnnotationKind) -> torch.Tensor:
        return repeat_factors(records, kind, params.repeat_threshold, params.repeat_sqrt)

    if params.weigh_datasets:
        return dataset_weights(
            [len(records) for records in records_of],
            [source.ratio for source in sources],
            [
                factors(records, source.kind) if source.use_repeat_factors else None
                for source, records in zip(sources, records_of, strict=True)
            ],
        )
    if sources[0].use_repeat_factors:
        return factors([record for records in records_of for record in records], AnnotationKind.BOX)
    return None


def _trainable_records(records_of: Sequence[list[dict]]) -> Iterator[dict]:
    for source, records in enumerate(records_of):
        for record in records:
            annotations = trainable_annotations(record.get("annotations", ()))
            yield record | {"annotations": annotations, "dataset_source": source}


def _log_sources(sources: Sequence[TrainSource], sizes: Sequence[int], params: DrawParams) -> None:
    shares = [source.ratio for source in sources] if params.weigh_datasets else sizes
    rows = [
        (source.name, source.kind.value, size, f"{share / sum(shares):.1%}", source.batch_size)
        for source, size, share in zip(sources, sizes, shares, strict=True)
    ]
    table = tabulate(rows, ["dataset", "annotation", "images", "share of draws", "batch"])
    logger.info("training data:\n%s", table)
