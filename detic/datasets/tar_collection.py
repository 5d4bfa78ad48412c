"""Images in many tar files, found by one running number: ImageNet-21K as it is distributed.

The index of ``n01440764.tar`` is two arrays: ``n01440764_names.npy``, the names of its N images,
and ``n01440764_offsets.npy``, (N + 1,) int64, where the header of each begins and where the last
one ends, in blocks of 512 bytes. A third one, ``n01440764_sizes.npy``, (N, 2) int32, has their
heights and widths, -1 where an image cannot be read; a fourth one, ``n01440764_tar.npy``, tells
whether they are still those of the tar file: its size in bytes and its time in nanoseconds, (2,)
int64. ``tar_files.npy`` lists the tar files; those
without images are not in it. Image numbers run over all tar files in the order of that list.
"""

import logging
import os
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np

from detic.datasets.tar_files import (
    BLOCK,
    RecentlyUsed,
    TarReader,
    content_of_entry,
    tar_members,
)
from detic.errors import InputError, in_short
from detic.files import fingerprint, open_to_read, unfinished_path
from detic.images import IMAGE_ERRORS, is_image_name, no_images, omission, read_image_size
from detic.progress import track

logger = logging.getLogger(__name__)


class TarCollection:
    """The images of many tar files, by number.

    Args:
        tar_list: a ``tar_files.npy``; relative paths in it start from its folder.
        index_dir: folder with the arrays of each tar file.

    Raises:
        InputError: the list or the index of a tar file is missing.
    """

    def __init__(self, tar_list: str | os.PathLike, index_dir: str | os.PathLike):
        tar_list, index_dir = Path(tar_list), Path(index_dir)
        names = _load(tar_list)
        self.tar_paths = [tar_list.parent / str(name) for name in names]  # absolute ones stay
        self._offset_files = [index_dir / f"{path.stem}_offsets.npy" for path in self.tar_paths]
        counts = (len(_load_offsets(path)) - 1 for path in self._offset_files)
        self._ends = list(accumulate(counts))
        self._offsets = RecentlyUsed[Path, np.ndarray](256, _load_offsets)
        self._reader = TarReader()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def locate(self, number: int) -> tuple[int, int]:
        """Return which tar file an image is in, and its position there.

        Raises:
            InputError: there is no image of this number.
        """
        if not 0 <= number < len(self):
            raise InputError(
                f"there is no image {number} in {len(self.tar_paths)} tar files with {len(self)} "
                "images; the annotation file belongs to another tar index"
            )
        tar = bisect_right(self._ends, number)
        return tar, number - (self._ends[tar - 1] if tar else 0)

    def read(self, number: int) -> bytes:
        """Return the content of an image file.

        Raises:
            OSError: it is not where the index says.
        """
        tar, position = self.locate(number)
        start, end = self._offsets.get(self._offset_files[tar])[position : position + 2].tolist()
        entry = self._reader.read(self.tar_paths[tar], start * BLOCK, (end - start) * BLOCK)
        return content_of_entry(entry)


@dataclass(frozen=True)
class TarIndex:
    """The images of one tar file; the arrays are mapped from their files."""

    names: np.ndarray  # (N,) text
    offsets: np.ndarray  # (N + 1,) int64, blocks
    sizes: np.ndarray  # (N, 2) int32, height and width in pixels; (0, 2) where not asked for


def write_tar_collection(
    tars: Iterable[str | os.PathLike],
    tar_list: str | os.PathLike,
    index_dir: str | os.PathLike,
    *,
    progress: bool = False,
) -> TarCollection:
    """Index tar files and return them as a collection; indices that are up to date are kept.

    Args:
        tars: the files; they are put in the order of their names.
        tar_list: the ``tar_files.npy`` to write.
        index_dir: folder for the arrays of each tar file.
        progress: whether to show a progress bar.

    Raises:
        InputError: a file is no tar file, two have one name, or none has an image.
    """
    paths = sorted(map(Path, tars), key=lambda path: path.stem)
    _check_names_differ(paths)
    with ThreadPoolExecutor() as pool:
        indices = pool.map(partial(index_tar, index_dir=index_dir), paths)
        bar = track(indices, description="index", total=len(paths), unit="tar", show=progress)
        with_images = [
            os.path.relpath(tar, Path(tar_list).parent)
            for tar, index in zip(paths, bar, strict=True)
            if len(index.names) > 0
        ]
    if not with_images:
        raise InputError(f"no image in {len(paths)} tar files; give those of the classes")
    _save(tar_list, np.array(with_images))
    return TarCollection(tar_list, index_dir)


def index_tar(
    tar: str | os.PathLike, index_dir: str | os.PathLike, *, with_sizes: bool = False
) -> TarIndex:
    """Return the index of a tar file, made if it is missing or the tar file has changed.

    Args:
        tar: the file.
        index_dir: folder for the arrays.
        with_sizes: whether to read the sizes of the images, too.
    """
    tar = Path(tar)
    prefix = Path(index_dir) / tar.stem
    names, offsets, sizes, stamp = (
        Path(f"{prefix}_{kind}.npy") for kind in ("names", "offsets", "sizes", "tar")
    )
    file = fingerprint(tar)
    if not all(map(Path.is_file, (names, offsets, stamp))) or _load(stamp).tolist() != file:
        for path in (stamp, sizes):
            path.unlink(missing_ok=True)
        members, end = tar_members(tar)
        images = [member for member in members if is_image_name(member.name)]
        if left_out := omission(no_images(member.name for member in members)):
            logger.warning("%s: %s", tar, left_out)
        starts = [member.header_offset for member in images] + [end]
        _save(names, np.array([member.name for member in images], dtype=str))
        _save(offsets, np.array(starts, dtype=np.int64) // BLOCK)
        _save(stamp, np.array(file, dtype=np.int64))  # last: it vouches for the others
    if with_sizes and not sizes.is_file():
        _save(sizes, _image_sizes(tar, _load(offsets)))
    sizes_hw = _load(sizes) if with_sizes else np.zeros((0, 2), np.int32)
    return TarIndex(_load(names), _load(offsets), sizes_hw)


def _image_sizes(tar: Path, offsets: np.ndarray) -> np.ndarray:
    """Return the (height, width) of each image, (N, 2) int32, -1 where it cannot be read."""
    sizes = np.full((len(offsets) - 1, 2), -1, dtype=np.int32)
    reader = TarReader(max_open_files=1)
    for position, (start, end) in enumerate(pairwise(offsets.tolist())):
        try:
            entry = reader.read(tar, start * BLOCK, (end - start) * BLOCK)
            sizes[position] = read_image_size(content_of_entry(entry))
        except IMAGE_ERRORS as error:
            logger.info("%s: image %d cannot be read: %s", tar, position, error)
    return sizes


def _check_names_differ(tars: Sequence[Path]) -> None:
    for first, second in pairwise(tars):
        if first.stem == second.stem:
            raise InputError(
                f"{first} and {second} would share one index; give tar files different names"
            )


def _load(path: str | os.PathLike) -> np.ndarray:
    """Return an array mapped from its file."""
    try:
        open_to_read(path).close()  # a pipe would be waited for
        return np.load(path, mmap_mode="r")
    except FileNotFoundError as error:
        raise InputError(
            f"{path} not found; make the tar index with `python tools/preprocess_imagenet22k.py`"
        ) from error
    except InputError:
        raise
    except Exception as error:  # damaged headers raise errors of many kinds
        # NumPy takes what it does not know for a pickle, and tells how to run it.
        reason = "it is no .npy file" if "pickle" in str(error) else in_short(str(error))
        raise InputError(
            f"{path} is no array that can be mapped ({reason}); make the tar index anew with "
            "`python tools/preprocess_imagenet22k.py`"
        ) from error


def _load_offsets(path: str | os.PathLike) -> np.ndarray:
    """Return the offsets of a tar file, (N + 1,) integers."""
    offsets = _load(path)
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or not len(offsets):
        raise InputError(
            f"{path} holds {offsets.dtype} of shape {offsets.shape}; expected (N + 1,) integers; make "
            "the tar index anew with `python tools/preprocess_imagenet22k.py`"
        )
    return offsets


def _save(path: str | os.PathLike, array: np.ndarray) -> None:
    with unfinished_path(path) as unfinished, unfinished.open("wb") as file:
        np.save(file, array)
