"""Class frequencies for a recipe that names no file of them: they are counted."""

import logging
from collections.abc import Iterable
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.utils import comm

from detic.datasets.own_data import register_own_data
from detic.errors import InputError
from detic.files import write_json
from detic.loading.train_source import train_sources
from detic.loading.training_data import load_dataset

logger = logging.getLogger(__name__)

FILE_NAME = "class_frequencies.json"


def with_class_frequencies(cfg: CfgNode) -> CfgNode:
    """Return the configuration with class frequencies, if ``CAT_FREQ_PATH`` is empty.

    The main process counts the boxes to train on and writes the counts into the output folder.

    Raises:
        InputError: the training data cannot be loaded.
    """
    node = cfg.MODEL.ROI_BOX_HEAD
    reads_them = node.USE_FED_LOSS or node.IGNORE_ZERO_CATS or cfg.MODEL.DYNAMIC_CLASSIFIER
    if node.CAT_FREQ_PATH or not reads_them:
        return cfg
    completed = cfg.clone()
    completed.defrost()
    completed.MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH = str(_count_classes(cfg))
    completed.freeze()
    return completed


def images_per_class(records: Iterable[dict], num_classes: int) -> list[int]:
    """Return in how many images each class has a box, crowds left out.

    Raises:
        InputError: an image has a class that the model does not have.
    """
    counts = [0] * num_classes
    for record in records:
        annotations = record.get("annotations", ())
        present = {a["category_id"] for a in annotations if not a.get("iscrowd", 0)}
        if present and max(present) >= num_classes:
            raise InputError(
                f"image {record['image_id']} has class {max(present)}, the model has {num_classes} "
                "classes (MODEL.ROI_HEADS.NUM_CLASSES)"
            )
        for index in present:
            counts[index] += 1
    return counts


def _count_classes(cfg: CfgNode) -> Path:
    """Return the file with the number of images of each class, written by the main process."""
    path = Path(cfg.OUTPUT_DIR) / FILE_NAME
    if comm.is_main_process():
        register_own_data(cfg)
        world_size = cfg.SOLVER.ACCUMULATE * comm.get_world_size()
        sources = [s for s in train_sources(cfg, world_size) if s.kind.has_box_classes]
        datasets = [name for source in sources for name in source.datasets]
        records = (record for name in datasets for record in load_dataset(name))
        counts = images_per_class(records, cfg.MODEL.ROI_HEADS.NUM_CLASSES)
        write_json(path, [{"id": i, "image_count": n} for i, n in enumerate(counts, start=1)])
        logger.info(
            "MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH is empty: counted the images of each class in %s; "
            "%d of %d classes have boxes; the counts are in %s",
            *(", ".join(datasets), sum(n > 0 for n in counts), len(counts), path),
        )
    comm.synchronize()
    return path
