"""The two splits of OpenImages Challenge 2019: which tables they are made of, and making them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detic.datasets.image_sizes import read_image_sizes
from detic.errors import InputError
from detic.evaluation.openimages_hierarchy import read_reach
from detic.preparation.openimages_conversion import (
    IMAGE_FIELDS,
    read_boxes,
    read_categories,
    read_labels,
    read_sizes,
    read_table,
    relative_path,
    to_document,
)

CLASSES = "challenge-2019-classes-description-500.csv"
HIERARCHY = "challenge-2019-label500-hierarchy.json"


@dataclass(frozen=True)
class Split:
    """A split: its tables in ``annotations``, its images, the file that comes out."""

    name: str  # in the names of the tables
    images: str  # table of its images
    image_dir: str
    output: str
    is_expanded: bool  # boxes and labels are repeated for more general classes
    is_complete: bool  # images without boxes are kept, and none may be missing


SPLITS = {
    "train": Split(
        name="train",
        images="train-images-boxable-with-rotation.csv",
        image_dir="images",
        output="oid_challenge_2019_train_bbox.json",
        is_expanded=False,
        is_complete=False,
    ),
    "val": Split(
        name="validation",
        images="validation-images-with-rotation.csv",
        image_dir="images/validation",
        output="oid_challenge_2019_val_expanded.json",
        is_expanded=True,
        is_complete=True,
    ),
}


def convert_split(root: Path, split: Split, workers: int = 8) -> dict:
    """Return the annotation file of a split.

    Args:
        root: folder of the dataset, with ``annotations`` and ``images``.
        split: what to convert.
        workers: images that are opened at the same time, if their sizes are in no table.

    Raises:
        InputError: a table is missing or damaged, or images of a complete split are missing.
    """
    folder = root / "annotations"
    categories = read_categories(folder / CLASSES)
    class_index = {category["freebase_id"]: index for index, category in enumerate(categories)}
    reach = np.eye(len(categories), dtype=bool)
    if split.is_expanded:
        reach = read_reach(folder / HIERARCHY, class_index)
    table = f"challenge-2019-{split.name}-detection"
    labels = read_labels(folder / f"{table}-human-imagelabels.csv", class_index, reach)
    boxes = read_boxes(folder / f"{table}-bbox.csv", class_index, reach)
    image_ids = [image_id for (image_id,) in read_table(folder / split.images, IMAGE_FIELDS)]
    if not split.is_complete:
        image_ids = [image_id for image_id in image_ids if image_id in boxes]
    sizes_hw = find_sizes(root, split, image_ids, workers)
    readable = [image_id for image_id in image_ids if image_id in sizes_hw]
    return to_document(readable, sizes_hw, categories, labels, boxes)


def find_sizes(
    root: Path, split: Split, image_ids: Sequence[str], workers: int
) -> dict[str, tuple[int, int]]:
    """Return (height, width) of the images, from the table of sizes or from the images.

    Raises:
        InputError: images of a complete split, or all images, are missing.
    """
    table = root / "annotations" / f"{split.name}_sizes-00000-of-00001.csv"
    sizes_hw = read_sizes(table) if table.is_file() else {}
    unknown = [image_id for image_id in image_ids if image_id not in sizes_hw]
    opened = read_image_sizes(root / split.image_dir, list(map(relative_path, unknown)), workers)
    missing = [image_id for image_id, size in zip(unknown, opened, strict=True) if size is None]
    if missing and (split.is_complete or len(missing) == len(image_ids)):
        raise InputError(
            f"{len(missing)} images of {split.images} cannot be opened in {root / split.image_dir}, "
            f"such as {relative_path(missing[0])}; fetch them, or the table {table.name}"
        )
    found = {i: size for i, size in zip(unknown, opened, strict=True) if size is not None}
    return sizes_hw | found
