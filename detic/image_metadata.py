"""What a file says about its image besides the pixels, cut out where it is damaged.

Decoders refuse whole images for a comment with a wrong checksum; viewers show them.
"""

import re
import zlib
from collections.abc import Iterator
from typing import IO

_AVIF = b"ftyp"  # from the fifth byte
_PNG = b"\x89PNG\r\n\x1a\n"
_NEEDED = (
    b"eXIf",
    b"tRNS",
)  # orientation and transparency; other optional chunks are texts, colours
_LENGTH, _TYPE, _CHECKSUM = 4, 4, 4  # bytes around the content of a chunk

# In AVIF, the entry that says which item holds the EXIF data: version, id and protection, type
_AVIF_EXIF = re.compile(rb"(infe.{8})Exif", re.DOTALL)


def without_damaged_metadata(file: IO[bytes]) -> bytes | None:
    """Return the content of a PNG or AVIF file without what may keep its pixels from being decoded.

    Returns:
        None where nothing was left out, so that the file is as damaged as before.
    """
    start = file.read(len(_PNG))
    if start == _PNG:
        content = start + file.read()
        rest = _PNG + b"".join(chunk for chunk in _chunks(content) if _is_wanted(chunk))
    elif start[4:] == _AVIF:
        content = start + file.read()
        rest = _AVIF_EXIF.sub(rb"\1skip", content)
    else:
        return None
    return rest if rest != content else None


def _chunks(png: bytes) -> Iterator[bytes]:
    """Yield the chunks of a PNG file: length, type, content and checksum; the last may be cut."""
    start = len(_PNG)
    while start < len(png):
        length = int.from_bytes(png[start : start + _LENGTH], "big")
        end = start + _LENGTH + _TYPE + length + _CHECKSUM
        yield png[start:end]
        start = end


def _is_wanted(chunk: bytes) -> bool:
    """Return whether a chunk is needed for the pixels, or at least whole and of use for them."""
    kind = chunk[_LENGTH : _LENGTH + _TYPE]
    is_critical = kind[:1].isupper()
    checksum = zlib.crc32(chunk[_LENGTH:-_CHECKSUM])
    is_whole = checksum == int.from_bytes(chunk[-_CHECKSUM:], "big")
    return is_critical or (kind in _NEEDED and is_whole)
