"""Images and tar files for the preparation tests."""

import io
import tarfile

import pytest
from PIL import Image


@pytest.fixture
def jpeg():
    """A function that returns the bytes of a JPEG image, optionally turned by its EXIF data."""

    def encode(width=6, height=4, orientation=None):
        exif = Image.Exif()
        if orientation is not None:
            exif[0x0112] = orientation
        buffer = io.BytesIO()
        Image.new("RGB", (width, height)).save(buffer, "jpeg", exif=exif)
        return buffer.getvalue()

    return encode


@pytest.fixture
def write_tar():
    """A function that writes a tar file with members of these names and contents."""

    def write(path, members):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))

    return write
