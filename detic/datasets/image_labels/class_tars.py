"""Images in tar files, one tar file a class, read without unpacking."""

from itertools import pairwise
from pathlib import Path

from detic.datasets.image_labels.class_index import ClassIndex
from detic.datasets.image_labels.labelled_image import image_label_record
from detic.datasets.tar_collection import index_tar
from detic.datasets.tar_files import BLOCK, visible_tars
from detic.errors import InputError
from detic.progress import track

INDEX_FOLDER = "tarindex_npy"


def load_class_tars(root: Path, classes: ClassIndex, index_dir: Path | None = None) -> list[dict]:
    """Return the records of the images in the tar files of a folder.

    Args:
        root: holds one uncompressed tar file for each class, named after it.
        classes: finds the class of a tar file.
        index_dir: where the tar files are indexed, see ``detic.datasets.tar_collection``; by default
            in ``root``.

    Raises:
        InputError: there are no tar files, or one is named after no class, or cannot be indexed.
    """
    index_dir = index_dir or root / INDEX_FOLDER
    records: list[dict] = []
    matched = classes.match_names(visible_tars(root))
    for tar, label in track(matched, description="tar files", unit="tar"):
        try:
            index = index_tar(tar, index_dir, with_sizes=True)
        except PermissionError as error:
            raise InputError(
                f"the index of {tar} cannot be written: {error}; name a writable index_dir"
            ) from error
        bounds = pairwise((index.offsets * BLOCK).tolist())
        for member, size_hw, (start, end) in zip(
            index.names.tolist(), index.sizes.tolist(), bounds, strict=True
        ):
            place = {"shard": str(tar), "member": member, "span": (start, end - start)}
            known_size = size_hw if min(size_hw) > 0 else None
            records.append(image_label_record(len(records) + 1, place, known_size, [label]))
    return records
