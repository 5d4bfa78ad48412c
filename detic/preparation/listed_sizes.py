"""The sizes of many image files, remembered beside them."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from detic.datasets.image_labels.size_index import INDEX_NAME, image_sizes

logger = logging.getLogger(__name__)


def read_image_sizes(
    folder: str | os.PathLike, names: Sequence[str], workers: int = 8
) -> list[tuple[int, int] | None]:
    """Return the (height, width) of each image, None for those that cannot be opened.

    Sizes are those after turning an image as its EXIF data ask. They are remembered in the folder,
    so that an interrupted run goes on where it was.

    Args:
        folder: where the images are.
        names: their paths below it.
        workers: images that are opened at the same time.
    """
    folder = Path(folder)
    known = image_sizes(folder, names, folder / INDEX_NAME, workers)
    sizes = [known.get(name) for name in names]
    num_damaged = sizes.count(None)
    if num_damaged:
        logger.warning("left out %d of %d images that cannot be opened", num_damaged, len(names))
    return sizes
