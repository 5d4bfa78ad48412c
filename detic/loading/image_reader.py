"""Reading the image of a record, wherever it is.

A record says where its image is in one of three ways:

* ``file_name``: a file, by path or URL;
* ``shard``, ``member``, ``span``: a member of a tar file: path, name, and (start, size) of its
  bytes, tar headers included;
* ``tar_index``: the number of an image in the tar files of the configuration.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from detectron2.data import detection_utils as utils
from PIL import Image

from detic.datasets.tar_collection import TarCollection
from detic.datasets.tar_files import TarReader, content_of_entry
from detic.errors import InputError, unknown_choice
from detic.images import CHANNEL_ORDERS, IMAGE_ERRORS, decode_image, read_image

# Pieces of memory, of up to 16 MB, that Pillow keeps for the next image: the system takes a
# millisecond to give what an image needs
KEPT_BLOCKS = 4

T = TypeVar("T", np.ndarray, Image.Image)


class UnreadableImage(Exception):
    """An image that cannot be used.

    Args:
        name: where it is.
        reason: what is wrong with it.
    """

    def __init__(self, name: str, reason: str):
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class ImageReader:
    """Reader of the images of records.

    Args:
        image_format: RGB or BGR, of arrays.
        tars: where ``tar_index`` points into.

    Raises:
        InputError: there is no such format.
    """

    def __init__(self, image_format: str, tars: TarCollection | None = None):
        if image_format not in CHANNEL_ORDERS:
            raise unknown_choice("image format", image_format, CHANNEL_ORDERS, where="INPUT.FORMAT")
        self.image_format = image_format
        self._tars = tars
        self._shards = TarReader()
        Image.preinit()  # Pillow's readers, once for all processes that are forked from this one
        Image.core.set_blocks_max(KEPT_BLOCKS)

    def __call__(self, record: dict) -> np.ndarray:
        """Return the image of a record, upright, (H, W, 3) uint8.

        Raises:
            UnreadableImage: it is missing, damaged, or not of the size that the record says.
        """
        return self._read(record, lambda source: read_image(source, self.image_format))

    def decode(self, record: dict) -> Image.Image:
        """Return the image of a record, upright, as an image of Pillow's in its mode RGB.

        Raises:
            UnreadableImage: as of ``__call__``.
        """
        return self._read(record, decode_image)

    def check_place(self, record: dict) -> None:
        """Check that a record says where its image is; nothing is opened.

        Raises:
            InputError: it does not, or its number is not in the tar files.
        """
        if "file_name" in record or "shard" in record:
            return
        if "tar_index" not in record:
            raise InputError(
                f"record {record.get('image_id')} has neither file_name nor shard nor tar_index; "
                "the loader of its dataset must say where the image is"
            )
        if self._tars is None:
            raise InputError(
                f"image {record.get('image_id')} is number {record['tar_index']} of a tar index, "
                "but no tar files are given; set DATALOADER.USE_TAR_DATASET and TARFILE_PATH"
            )
        self._tars.locate(record["tar_index"])

    def _read(self, record: dict, read: Callable[[str | bytes], T]) -> T:
        self.check_place(record)
        try:
            image = read(self._source(record))
            pixels = image if isinstance(image, np.ndarray) else shape_only(image)
            utils.check_image_size(record, pixels)
        except IMAGE_ERRORS as error:  # among them detectron2's SizeMismatchError
            reason = f"{type(error).__name__}: {error}"
            raise UnreadableImage(image_name(record), reason) from error
        return image

    def _source(self, record: dict) -> str | bytes:
        """Return the path of an image, or the content of its file."""
        if "file_name" in record:
            return record["file_name"]
        if "shard" in record:
            return content_of_entry(self._shards.read(record["shard"], *record["span"]))
        assert self._tars is not None  # by check_place
        return self._tars.read(record["tar_index"])


def shape_only(image: Image.Image) -> np.ndarray:
    """Return an array of an image's shape, (H, W, 3) uint8, without its pixels."""
    return np.empty((image.height, image.width, 3), np.uint8)


def image_name(record: dict) -> str:
    """Return where the image of a record is, for messages and lists."""
    if "file_name" in record:
        return record["file_name"]
    if "shard" in record:
        return f"{record['shard']}/{record['member']}"
    return f"tar index {record['tar_index']}"
