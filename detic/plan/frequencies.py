"""Class frequencies: a file that the recipe names, or one that is counted."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from detectron2.utils import comm

from detic.config import class_count, is_deformable_detr
from detic.datasets.image_records import JoinedRecords, Labels, as_image_records
from detic.errors import InputError
from detic.files import write_json
from detic.loading.train_source import TrainSources
from detic.loading.training_data import load_dataset

logger = logging.getLogger(__name__)

FILE_NAME = "class_frequencies.json"


@dataclass(frozen=True)
class FrequencyFile:
    """Where class frequencies are, or what they are to be counted in."""

    path: str  # json list of {"id", "image_count"}; "": to be counted
    datasets: tuple[str, ...]  # registered ones with boxes to train on
    num_classes: int  # of the model
    folder: Path  # for a file that is counted

    @classmethod
    def from_config(cls, cfg, world_size: int) -> "FrequencyFile":
        """Return what a recipe says; no dataset is to be counted if no loss needs frequencies."""
        node = cfg.MODEL.ROI_BOX_HEAD
        is_needed = node.USE_FED_LOSS or node.IGNORE_ZERO_CATS or cfg.MODEL.DYNAMIC_CLASSIFIER
        if is_deformable_detr(cfg):
            is_needed = cfg.MODEL.DETR.USE_FED_LOSS
        datasets: list[str] = []
        if is_needed and not node.CAT_FREQ_PATH:
            entries = TrainSources.from_config(cfg, world_size).entries
            datasets = [name for s in entries if s.kind.has_box_classes for name in s.datasets]
        return cls(
            node.CAT_FREQ_PATH,
            tuple(datasets),
            class_count(cfg),
            Path(cfg.OUTPUT_DIR),
        )

    def settled(self) -> str:
        """Return the path of the file; all processes of the job call this together.

        The main process counts the images of each class, if that is needed.

        Raises:
            InputError: the training data cannot be loaded.
        """
        if not self.datasets:
            return self.path
        path = self.folder / FILE_NAME
        if comm.is_main_process():
            records = JoinedRecords(map(load_dataset, self.datasets))
            counts = images_per_class(records, self.num_classes)
            write_json(path, [{"id": i, "image_count": n} for i, n in enumerate(counts, start=1)])
            logger.info(
                "MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH is empty: counted the images of each class in "
                "%s; %d of %d classes have boxes; the counts are in %s",
                ", ".join(self.datasets),
                sum(n > 0 for n in counts),
                len(counts),
                path,
            )
        comm.synchronize()
        return str(path)


def images_per_class(records: Sequence[dict], num_classes: int) -> list[int]:
    """Return in how many images each class has a box, crowds left out.

    Raises:
        InputError: an image has a class that the model does not have.
    """
    records = as_image_records(records)
    labels, is_object = records.box_labels(), ~records.boxes().is_crowd
    labels = Labels(labels.images[is_object], labels.classes[is_object])
    is_wrong = labels.classes >= num_classes
    if is_wrong.any():
        first = int(is_wrong.argmax())
        raise InputError(
            f"image {records[int(labels.images[first])]['image_id']} has class "
            f"{int(labels.classes[first])}, the model has {num_classes} classes"
        )
    classes = labels.of_images_once().classes
    return np.bincount(classes, minlength=num_classes).tolist()
