"""Checking that what ``torch.save`` wrote is still the same.

A file of ``torch.save`` is a zip archive, which has a checksum of each of its parts. PyTorch writes
them but does not compare those of tensors: flipped bits become weights.
"""

import errno
import os
import zipfile

from detic.errors import InputError

_BLOCK = 2**20  # bytes


class DamagedFile(InputError):
    """A file was written and is not what it was, or not what its name says."""


def check_torch_archive(path: str | os.PathLike) -> None:
    """Check the parts of an archive against their checksums, at about 3 GB a second.

    Files of other formats pass: those have no checksums.

    Raises:
        DamagedFile: says where.
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return
    if not zipfile.is_zipfile(path):
        raise DamagedFile(f"{os.fspath(path)} is damaged: its end is missing")
    try:
        part = _first_damaged_part(path)
    except Exception as error:  # zipfile has many, depending on which bytes are wrong
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # a place before the file
            raise
        raise DamagedFile(f"{os.fspath(path)} is damaged: {error}") from error
    if part is not None:
        raise DamagedFile(
            f"{os.fspath(path)} is damaged: its part {part!r} does not match its checksum"
        )


def _first_damaged_part(path: str | os.PathLike) -> str | None:
    with zipfile.ZipFile(path) as archive:
        for part in archive.infolist():
            if part.CRC == 0:
                continue  # empty, or written after torch.serialization.set_crc32_options(False)
            try:
                with archive.open(part) as stream:
                    while stream.read(_BLOCK):
                        pass
            except zipfile.BadZipFile:
                return part.filename
    return None
