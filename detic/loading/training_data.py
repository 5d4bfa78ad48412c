"""What the training loader knows about its images, loaded once per machine.

Shapes: N images in all sources together.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.utils import comm
from tabulate import tabulate

from detic.annotation import AnnotationKind
from detic.datasets.image_records import (
    ImageRecords,
    RecordList,
    as_image_records,
    fill_missing_masks,
    have_boxes,
    joined,
)
from detic.datasets.registration import load_on_demand
from detic.errors import InputError, unknown_choice
from detic.loading.records import SharedRecords, checked_annotations, shared
from detic.loading.sampling import dataset_weights, repeat_factors
from detic.loading.train_source import TrainSource
from detic.shared_arrays import ArrayWriter, SharedArrays, from_handle, handle_of

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DrawParams:
    """How often images are drawn."""

    weigh_datasets: bool  # in the proportions of the sources; else all images are one dataset
    repeat_threshold: float  # fraction of images below which a class is repeated
    repeat_sqrt: bool  # whether repeat factors of box classes are square roots


def load_dataset(name: str) -> ImageRecords:
    """Return the records of a registered dataset.

    Raises:
        InputError: there is no such dataset, or it has no records.
    """
    if name not in DatasetCatalog.list():
        raise unknown_choice("dataset", name, DatasetCatalog.list())
    try:
        records = load_on_demand(name)
    except FileNotFoundError as error:
        raise InputError(
            f"dataset {name!r} needs {error.filename}; `detic data check {name}` tells "
            "how to get it"
        ) from error
    if not records:
        raise InputError(f"dataset {name!r} has no images; look at its annotation file")
    return as_image_records(records)


def load_source(
    source: TrainSource,
    *,
    drop_empty: bool,
    num_classes: int,
    check_place: Callable[[dict], None],
) -> ImageRecords:
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
    parts = []
    for name in source.datasets:
        of_dataset = load_dataset(name)
        if source.kind is not AnnotationKind.PROPOSAL:
            _check_classes(of_dataset, name, num_classes)
        of_dataset.check_places(check_place)
        if source.kind.has_boxes and isinstance(of_dataset, RecordList):
            of_dataset = _checked(of_dataset, name)
        parts.append(of_dataset)
    records = joined(parts)
    if drop_empty and source.kind.has_boxes:
        records = records.kept(np.flatnonzero(have_boxes(records)))
    if not records:
        raise InputError(f"no image of {source.name!r} has boxes to train on")
    if source.kind.has_box_classes:
        records = fill_missing_masks(records, source.name)
    return records


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """All training images, in memory that the processes of a machine share.

    Args:
        records: with ``dataset_source``, the number of the source.
        arrays: ``sources`` (N,) int32, ``is_wide`` (N,) bool for images wider than high, and unless
            all images are drawn alike ``draw_weights`` (N,) float32: weights, or repeat factors
            where datasets are not weighed.
    """

    records: Sequence[dict]
    arrays: SharedArrays


def build_training_images(
    sources: Sequence[TrainSource], records_of: Sequence[ImageRecords], params: DrawParams
) -> TrainingImages:
    """Return the training images.

    Args:
        sources: of the images.
        records_of: their records, by source.
        params: how often images are drawn.
    """
    writer = ArrayWriter()
    sizes = [len(records) for records in records_of]
    writer.add("sources", np.repeat(np.arange(len(sizes), dtype=np.int32), sizes))
    writer.add("is_wide", np.concatenate([records.are_wide() for records in records_of]))
    weights = _draw_weights(sources, records_of, params)
    if weights is not None:
        writer.add("draw_weights", weights.numpy())
    _log_sources(sources, sizes, params)
    return TrainingImages(SharedRecords(map(shared, records_of)), writer.finish())


def shared_by_machine(build: Callable[[], T]) -> T:
    """Return what ``build`` makes; one process of each machine builds, the others read along.

    All processes of the job call this together. What is built holds its arrays in shared memory.
    """
    if comm.get_world_size() == 1:
        return build()
    built = build() if comm.get_local_rank() == 0 else None
    handles = comm.all_gather(None if built is None else handle_of(built))
    if built is None:
        try:
            built = from_handle(handles[comm.get_rank() - comm.get_local_rank()])
        except OSError as error:
            logger.warning("this process loads the data anew: it cannot read along (%s)", error)
            built = build()
    return built


def _check_classes(records: ImageRecords, name: str, num_classes: int) -> None:
    for labels in (records.box_labels(), records.image_labels()):
        is_wrong = (labels.classes < 0) | (labels.classes >= num_classes)
        if is_wrong.any():
            record = records[int(labels.images[is_wrong.argmax()])]
            raise InputError(
                f"image {record.get('image_id')} of dataset {name!r} has class "
                f"{int(labels.classes[is_wrong.argmax()])}, the model has {num_classes} "
                "classes; use a dataset with the model's classes"
            )


def _checked(records: RecordList, name: str) -> RecordList:
    """Return the records of a loader that is not ours, with masks that serve."""
    if MetadataCatalog.get(name).get("has_checked_annotations"):
        return records
    return RecordList(r | {"annotations": checked_annotations(r, name)} for r in records)


def _draw_weights(
    sources: Sequence[TrainSource], records_of: Sequence[ImageRecords], params: DrawParams
) -> torch.Tensor | None:
    def factors(records: ImageRecords, kind: AnnotationKind) -> torch.Tensor:
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
        return factors(joined(records_of), AnnotationKind.BOX)
    return None


def _log_sources(sources: Sequence[TrainSource], sizes: Sequence[int], params: DrawParams) -> None:
    shares = [source.ratio for source in sources] if params.weigh_datasets else sizes
    rows = [
        (source.name, source.kind.value, size, f"{share / sum(shares):.1%}", source.batch_size)
        for source, size, share in zip(sources, sizes, shares, strict=True)
    ]
    table = tabulate(rows, ["dataset", "annotation", "images", "share of draws", "batch"])
    logger.info("training data:\n%s", table)
