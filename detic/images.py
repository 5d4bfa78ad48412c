"""Images in files: which they are, their pixels, their sizes.

Whoever reads an image, for training, evaluation, drawing or a report, reads it here.

Shapes: H x W image.
"""

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TypeVar

import numpy as np
from detectron2.utils.file_io import PathManager
from PIL import Image, ImageFile, UnidentifiedImageError

from detic.errors import InputError
from detic.files import is_hidden, kind_of
from detic.image_metadata import without_damaged_metadata

T = TypeVar("T")
Source = str | os.PathLike | bytes  # a path or address, or the content of a file

# What Pillow's decoders raise for damaged files
IMAGE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
IMAGE_SUFFIXES = frozenset(
    (
        *(".avif", ".bmp", ".gif", ".jfif", ".jif", ".jpe", ".jpeg", ".jpg"),
        *(".png", ".ppm", ".tif", ".tiff", ".webp"),
    )
)
CHANNEL_ORDERS = ("BGR", "RGB")
_BAND_PIXELS = 2**24  # that are copied at once
NUM_NAMED = 3  # files that a message names
PIXEL_LIMIT = "DETIC_MAX_IMAGE_PIXELS"  # environment: larger images are refused
LARGEST_16_BIT = 65535  # 257 * 255
WITH_DEEP_GREY = ("I", "F")  # and I;16 with its kin: Pillow's modes of more than 8 bits

ORIENTATION = 0x0112  # EXIF tag
SIDEWAYS = (5, 6, 7, 8)  # orientations that swap width and height
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def is_image_name(name: str) -> bool:
    """Return whether a file name ends like that of an image.

    Hidden files are none: macOS leaves a ``._x.jpg`` beside x.jpg, which holds no image.
    """
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not is_hidden(name)


def no_images(names: Iterable[str]) -> list[str]:
    """Return the names of files that are no images by their suffix; hidden ones need no word."""
    return [name for name in names if not is_image_name(name) and not is_hidden(name)]


def omission(left_out: Sequence[str], kind: str = "an image") -> str:
    """Return a sentence on files that are left out because of their suffix, "" if there are none.

    >>> omission(["a.txt", "b.csv"])
    'left out 2 files without the suffix of an image: a.txt, b.csv'
    """
    if not left_out:
        return ""
    count = "1 file" if len(left_out) == 1 else f"{len(left_out)} files"
    names = ", ".join(left_out[:NUM_NAMED]) + (", ..." if len(left_out) > NUM_NAMED else "")
    return f"left out {count} without the suffix of {kind}: {names}"


def read_image(source: Source, channel_order: str) -> np.ndarray:
    """Return an image, (H, W, 3) uint8, as ``decode_image`` reads it.

    Args:
        source: a path or address that PathManager opens, or the content of a file.
        channel_order: BGR or RGB.

    Raises:
        IMAGE_ERRORS, InputError: as of ``decode_image``.
    """
    return _read(source, lambda file: _pixels(file, channel_order))


def decode_image(source: Source) -> Image.Image:
    """Return an image of Pillow's in its mode RGB, upright as its EXIF data say.

    Grey values of 16 bits are divided by 257. Larger ones, negative ones and fractions have no white
    of their own: the darkest of an image becomes 0, the brightest 255. Damage in what describes an
    image, rather than in its pixels, is passed over.

    Args:
        source: as of ``read_image``.

    Raises:
        IMAGE_ERRORS: it is missing, damaged or cut short, no image that Pillow can open, no regular
            file, or larger than ``DETIC_MAX_IMAGE_PIXELS`` or the memory allow.
        InputError: ``DETIC_MAX_IMAGE_PIXELS`` is no number.
    """
    return _read(source, _decoded)


def image_pixels(image: Image.Image, channel_order: str) -> np.ndarray:
    """Return the pixels of an image in mode RGB, (H, W, 3) uint8, in a channel order."""
    if channel_order == "RGB":
        return np.asarray(image)
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, _BAND_PIXELS // max(1, image.width))
    for top in range(0, image.height, rows):  # a copy of the whole would double the memory
        band = pixels[top : top + rows]
        part = image if rows >= image.height else image.crop((0, top, image.width, top + len(band)))
        band[...] = np.frombuffer(part.tobytes("raw", channel_order), np.uint8).reshape(band.shape)
    return pixels


def read_header(source: Source, read: Callable[[Image.Image], T]) -> T:
    """Return what a function reads from an image that is opened and not decoded.

    Args:
        source: as of ``read_image``.

    Raises:
        IMAGE_ERRORS, InputError: as of ``decode_image``.
    """

    def header(file: IO[bytes]) -> T:
        with Image.open(file) as image:
            return read(image)

    return _read(source, header)


def is_upright(image: Image.Image) -> bool:
    """Return whether the EXIF data of an image let it be as it is."""
    return (_orientation(image) or 1) == 1


def read_image_size(source: Source) -> tuple[int, int]:
    """Return (height, width) in pixels, after turning the image as its EXIF data ask.

    The header tells, but for PNG and TIFF: the EXIF data of a PNG may follow its pixels, and TIFF
    images are turned as they are decoded.

    Args:
        source: as of ``read_image``.

    Raises:
        IMAGE_ERRORS: as ``read_image``.
    """
    return _read(source, _size)


def _read(source: Source, read: Callable[[IO[bytes]], T]) -> T:
    """Return what is read from an image, once more without its metadata if it is damaged.

    Decoders raise errors of all kinds for damaged files; here they become IMAGE_ERRORS.
    """
    _set_pixel_limit()
    with _opened(source) as file:
        try:
            return read(file)
        except Image.DecompressionBombError as error:
            raise Image.DecompressionBombError(
                f"{str(error).partition(',')[0]}; {PIXEL_LIMIT} in the environment raises it"
            ) from error
        except MemoryError as error:
            size = f" ({error})" if str(error) else ""
            raise OSError(f"it needs more memory than there is{size}") from error
        except Exception as error:
            file.seek(0)
            rest = without_damaged_metadata(file)
            if rest is not None:
                return _read(rest, read)
            if isinstance(error, UnidentifiedImageError):  # whose text names objects of Python
                raise UnidentifiedImageError("it is no image, or damaged at its start") from error
            if isinstance(error, IMAGE_ERRORS):
                raise
            raise OSError(f"it cannot be decoded ({type(error).__name__}: {error})") from error


@contextmanager
def _opened(source: Source) -> Iterator[IO[bytes]]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    path = os.fspath(source)
    _check_is_file(path)
    with PathManager.open(path, "rb") as file:
        yield file


def _check_is_file(path: str) -> None:
    """Raise if something other than a file is at a path: a pipe would be waited for, for ever."""
    try:
        kind = kind_of(os.stat(path).st_mode)
    except OSError:  # an address; or there is none, and opening it tells why
        return
    if kind != "file":
        raise OSError(f"it is a {kind}, not a file")


def _set_pixel_limit() -> None:
    """Have Pillow refuse images as the environment says; it stops at twice its own number."""
    asked = os.environ.get(PIXEL_LIMIT)
    if asked is None:
        return
    if not asked.isdecimal() or int(asked) == 0:
        raise InputError(f"{PIXEL_LIMIT} is {asked!r}; expected a number of pixels, as 400000000")
    Image.MAX_IMAGE_PIXELS = (int(asked) + 1) // 2


def _size(file: IO[bytes]) -> tuple[int, int]:
    with Image.open(file) as image:
        if image.format in ("PNG", "TIFF"):
            image.load()
        width, height = image.size
        return (width, height) if _orientation(image) in SIDEWAYS else (height, width)


def _pixels(file: IO[bytes], channel_order: str) -> np.ndarray:
    with _loaded(file) as image:
        return image_pixels(upright_rgb(image), channel_order)


def _decoded(file: IO[bytes]) -> Image.Image:
    with _loaded(file) as image:
        return upright_rgb(image)


@contextmanager
def _loaded(file: IO[bytes]) -> Iterator[Image.Image]:
    """Yield the image of a file, decoded; lack of memory within is told of with its size."""
    with Image.open(file) as image, _whole_files_only():
        try:
            image.load()
            yield image
        except MemoryError as error:
            raise MemoryError(f"{image.width} x {image.height} pixels") from error


def upright_rgb(image: Image.Image) -> Image.Image:
    """Return an image of Pillow's in its mode RGB, as ``decode_image`` returns one.

    Raises:
        IMAGE_ERRORS: its file, which is read only now, is damaged.
    """
    turn = TURNS.get(_orientation(image) or 0)
    shallow = _eight_bit(image if turn is None else image.transpose(turn))
    return shallow if shallow.mode == "RGB" else shallow.convert("RGB")


@contextmanager
def _whole_files_only() -> Iterator[None]:
    """Have Pillow raise for files that end too early, also where another library told it not to."""
    if not ImageFile.LOAD_TRUNCATED_IMAGES:
        yield
        return
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = True


def _orientation(image: Image.Image) -> int | None:
    """Return how the EXIF data say an image is turned; None where they do not or are damaged."""
    try:
        return image.getexif().get(ORIENTATION)
    except Exception:  # damaged EXIF data raise errors of many kinds, and the pixels need none
        return None


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return the image, grey values of more than 8 bits scaled down; see read_image.

    Pillow itself would cut them off at 255.
    """
    if image.mode not in WITH_DEEP_GREY and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image, dtype=np.float64)
    if image.mode == "F":
        values = np.where(np.isfinite(values), values, 0)
    has_16_bits = image.mode != "F" and values.min() >= 0 and values.max() <= LARGEST_16_BIT
    limits = (0, LARGEST_16_BIT) if has_16_bits else (values.min(), values.max())
    return Image.fromarray(np.interp(values, limits, (0, 255)).round().astype(np.uint8))
