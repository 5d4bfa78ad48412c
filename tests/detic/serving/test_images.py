import struct
import zlib

import numpy as np
import pytest

from detic.serving.images import check_header, decode
from detic.serving.limits import HTTPError, Limits

from .service_of_fakes import image_file


def with_size(width, height):
    """A file of a few bytes whose header says that it has so many pixels."""
    content = bytearray(image_file())
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


@pytest.mark.parametrize("size", [(9000, 9000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_pixels_are_counted_before_they_are_decoded(size):
    content = with_size(*size)
    assert len(content) < 200
    with pytest.raises(HTTPError) as refusal:
        check_header(content, Limits())
    assert refusal.value.status == 413


def test_images_are_read_in_opencvs_order():
    assert check_header(image_file(8, 6), Limits(max_pixels=48)) == 48
    np.testing.assert_array_equal(decode(image_file(8, 6))[0, 0], (200, 99, 9))
