"""The sizes of many picture files."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from detic.data.picture_size import PICTURE_ERRORS, picture_size_hw

logger = logging.getLogger(__name__)


def picture_sizes_hw(
    folder: str | os.PathLike, names: Sequence[str], workers: int = 8
) -> list[tuple[int, int] | None]:
    """Return the (height, width) of each picture, None for those that cannot be opened.

    Sizes are those after turning a picture as its EXIF data ask.

    Args:
        folder: where the pictures are.
        names: their paths below it.
        workers: pictures that are opened at the same time.
    """
    with ThreadPoolExecutor(workers) as pool:
        opened = pool.map(_size_hw, (Path(folder) / name for name in names))
        sizes = list(tqdm(opened, desc="sizes", total=len(names), unit="picture"))
    num_damaged = sizes.count(None)
    if num_damaged:
        logger.warning("left out %d of %d pictures that cannot be opened", num_damaged, len(names))
    return sizes


def _size_hw(path: Path) -> tuple[int, int] | None:
    try:
        with open(path, "rb") as file:
            return picture_size_hw(file)
    except PICTURE_ERRORS as error:
        logger.warning("%s cannot be opened: %s", path, error)
        return None
