"""Whatever a user gives as an image, or as many of them, as arrays with names.

Shapes: H x W image.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from detic.downloads import read_url
from detic.errors import InputError, in_short
from detic.file_search import find_files, is_pattern
from detic.files import reason_of
from detic.image_arrays import array_to_bgr, tensor_to_bgr
from detic.image_windows import ArrayWindows, ImageWindows, open_windows
from detic.images import (
    IMAGE_ERRORS,
    IMAGE_SUFFIXES,
    image_pixels,
    omission,
    read_image,
    upright_rgb,
)
from detic.paths import at_home

ImageLike = str | os.PathLike | bytes | bytearray | memoryview | np.ndarray | Tensor | Image.Image

MAX_FILE_BYTES = 2**28  # of an image that is fetched
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_WEB = ("http", "https")
_EXPECTED = (
    "a path, an address, the content of a file, a Pillow image, an array (height, width, 3) of uint8 "
    "in BGR order as cv2.imread gives it, or a tensor (channels, height, width)"
)


@dataclass(frozen=True, eq=False)
class ImageSource:
    """An image as it was given, which is read when it is asked for.

    Pickles keep its name and not its content: what has a path or an address is read again there.
    """

    name: str  # its path or address as it was given; "" of what has neither
    content: Any = None  # an ImageLike but a path; None: what is at the name
    channels: str | None = None  # of arrays and tensors: BGR or RGB; None: as is usual for them

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "content": None, "channels": self.channels}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def fetched(self) -> "ImageSource":
        """Return the same with the content of its file, if that is at an address.

        Raises:
            InputError: it cannot be fetched.
        """
        if self.content is not None or not is_address(self.name):
            return self
        return replace(self, content=_read_address(self.name))

    def read(self) -> np.ndarray:
        """Return the image, (H, W, 3) uint8 in BGR order.

        Raises:
            InputError: it cannot be read, is of no known kind, or was left out of a pickle.
        """
        content = self.fetched().content
        if isinstance(content, np.ndarray):
            return array_to_bgr(content, self.channels)
        if isinstance(content, Tensor):
            return tensor_to_bgr(content, self.channels)
        if content is None and not self.name:
            raise InputError(
                "the image is not in the pickle, or the copy, of its detections; hand it over as well: image=..."
            )
        with self._naming_it():
            if isinstance(content, Image.Image):
                return image_pixels(upright_rgb(content), "BGR")
            return read_image(os.path.expanduser(self.name) if content is None else content, "BGR")

    def windows(self) -> ImageWindows:
        """Return the image as one of which parts can be read; of a file, they need less memory.

        Raises:
            InputError: as ``read`` does.
        """
        if self.content is not None or not self.name or is_address(self.name):
            return ArrayWindows(self.read())
        with self._naming_it():
            return open_windows(os.path.expanduser(self.name))

    @contextmanager
    def _naming_it(self) -> Iterator[None]:
        """Turn what the reading of an image raises into messages that name it."""
        name = repr(in_short(self.name)) if self.name else ""
        try:
            yield
        except FileNotFoundError as e:
            raise InputError(f"there is no image {name}") from e
        except UnidentifiedImageError as e:
            raise InputError(f"{name or 'what was given'} is not an image, or it is damaged") from e
        except IMAGE_ERRORS as e:
            reason = reason_of(e) if isinstance(e, OSError) else e
            raise InputError(f"cannot read the image {name or 'that was given'}: {reason}") from e


def load_image(image: ImageLike, channels: str | None = None) -> np.ndarray:
    """Return an image as (H, W, 3) uint8 in BGR order; see ``image_source``.

    Raises:
        InputError: it cannot be read, or is of no known kind.
    """
    return image_source(image, channels).read()


def image_source(image: ImageLike, channels: str | None = None) -> ImageSource:
    """Return an image that is read when it is asked for.

    Args:
        image: a path; an address, which starts with http://, https:// or what fsspec knows; the
            content of a file; a Pillow image; an array or a tensor, see ``detic.image_arrays``.
        channels: of an array or a tensor: BGR or RGB; None: BGR of arrays, RGB of tensors.

    Raises:
        InputError: it is of no known kind.
    """
    if isinstance(image, str | os.PathLike):
        return ImageSource(os.fspath(image))
    if isinstance(image, bytearray | memoryview):
        image = bytes(image)
    if not isinstance(image, bytes | np.ndarray | Tensor | Image.Image):
        raise InputError(f"an image must be {_EXPECTED}, not {type(image).__name__}")
    name = getattr(image, "filename", "") if isinstance(image, Image.Image) else ""
    return ImageSource(os.fspath(name), image, channels)


def several_images(images: ImageLike | Iterable[ImageLike]) -> Iterable[ImageLike] | None:
    """Return the images that this names, None if it is one image itself.

    Args:
        images: an image, a list or a generator of images, which is not consumed here, a folder, or a
            pattern such as ``photos/*.jpg``. A folder stands for its files with the suffix of an
            image, in order.

    Raises:
        InputError: there are none in a folder.
    """
    if isinstance(images, str | os.PathLike):
        path = at_home(images)
        is_one = is_address(os.fspath(images)) or not (os.path.isdir(path) or is_pattern(path))
        return None if is_one else _files_of(path)
    is_one = isinstance(images, ImageLike) or not isinstance(images, Iterable)
    return None if is_one else cast(Iterable[ImageLike], images)


def shown_name(name: str) -> str:
    """Return a path or an address as text: bytes that are no UTF-8 as their codes, ``caf\\xe9.jpg``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def is_address(name: str) -> bool:
    """Return whether a text is an address, such as https://example.org/a.jpg, and no path."""
    return _ADDRESS.match(name) is not None


def _files_of(path: Path) -> list[Path]:
    found = find_files(path, IMAGE_SUFFIXES)
    if found.unreadable:
        raise InputError("; ".join(found.unreadable))
    if not found.files:
        left_out = omission(list(map(str, found.left_out)))
        raise InputError(f"there are no images in {path}{left_out and f'; {left_out}'}")
    return found.files


def _read_address(address: str) -> bytes | None:
    """Return the content of the file at an address; None if only Detectron2's PathManager knows it.

    Raises:
        InputError: it cannot be fetched.
    """
    scheme = address.partition(":")[0].lower()
    if scheme in _WEB:
        return read_url(address, MAX_FILE_BYTES)
    try:
        import fsspec

        if scheme not in fsspec.available_protocols():
            return None
        with fsspec.open(address, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except Exception as error:  # each file system has its own
        raise InputError(f"cannot fetch {in_short(address)} ({in_short(str(error))})") from error
    if len(content) > MAX_FILE_BYTES:
        raise InputError(
            f"{in_short(address)} has more than {MAX_FILE_BYTES:,} bytes; fetch it first"
        )
    return content
