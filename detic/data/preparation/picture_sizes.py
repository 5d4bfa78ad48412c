"""The sizes of many picture files, remembered beside them."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from detic.data.image_labels.remembered import INDEX_NAME, picture_sizes

logger = logging.getLogger(__name__)


def picture_sizes_hw(
    folder: str | os.PathLike, names: Sequence[str], workers: int = 8
) -> list[tuple[int, int] | None]:
    """Return the (height, width) of each picture, None for those that cannot be opened.

    Sizes are those after turning a picture as its EXIF data ask. They are remembered in the folder,
    so that an interrupted run goes on where it was.

    Args:
        folder: where the pictures are.
        names: their paths below it.
        workers: pictures that are opened at the same time.
    """
    folder = Path(folder)
    known = picture_sizes(folder, names, folder / INDEX_NAME, workers)
    sizes = [known.get(name) for name in names]
    num_damaged = sizes.count(None)
    if num_damaged:
        logger.warning("left out %d of %d pictures that cannot be opened", num_damaged, len(names))
    return sizes
