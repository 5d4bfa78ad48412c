"""Images in files: their pixels and sizes, in all kinds of files."""

import io
import struct

import cv2
import numpy as np
import pytest
from detectron2.data import detection_utils
from PIL import Image, ImageFile, ImageOps, PngImagePlugin

from detic.images import IMAGE_ERRORS, IMAGE_SUFFIXES, is_image_name, read_image, read_image_size

ORIENTATION = 0x0112
WHERE_ORIENTATION_IS_KEPT = ["JPEG", "PNG", "WEBP"]


def noise(height=30, width=40, channels=3):
    shape = (height, width, channels)
    return np.random.RandomState(0).randint(0, 256, shape, dtype=np.uint8)


def exif(orientation):
    data = Image.Exif()
    data[ORIENTATION] = orientation
    return data


def encoded(image, file_format, **options):
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def of_mode(mode):
    """Return an image of eight bits a channel with something in each channel."""
    return Image.fromarray(noise(channels=4), "RGBA").convert("RGB").convert(mode)


def assert_read_as_detectron2_reads(path):
    for order in ("BGR", "RGB"):
        expected = detection_utils.read_image(str(path), order)
        np.testing.assert_array_equal(read_image(path, order), expected)
        np.testing.assert_array_equal(read_image(path.read_bytes(), order), expected)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        *[(mode, "png") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")],
        *[(mode, "jpg") for mode in ("L", "RGB", "CMYK")],
        *[("RGB", suffix) for suffix in ("bmp", "gif", "ppm", "tif", "webp", "avif", "jfif")],
    ],
)
def test_images_of_eight_bits_are_read_as_detectron2_reads_them(tmp_path, mode, suffix):
    if f".{suffix}" not in Image.registered_extensions():
        pytest.skip(f"this Pillow does not know {suffix}")  # AVIF came with 11.3
    of_mode(mode).save(tmp_path / f"a.{suffix}")
    assert_read_as_detectron2_reads(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("file_format", WHERE_ORIENTATION_IS_KEPT)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_detectron2_turns_them(tmp_path, orientation, file_format):
    path = tmp_path / "a"
    path.write_bytes(encoded(of_mode("RGB"), file_format, exif=exif(orientation)))
    assert_read_as_detectron2_reads(path)
    with open(path, "rb") as file:
        assert read_image_size(file) == read_image(path, "RGB").shape[:2]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_images_are_turned_once(orientation):
    """Pillow turns them as it decodes them; Detectron2 0.6 turns them again."""
    in_files = [
        encoded(of_mode("RGB"), file_format, exif=exif(orientation))
        for file_format in ("PNG", "TIFF")
    ]
    upright, tiff = (read_image(content, "RGB") for content in in_files)
    np.testing.assert_array_equal(tiff, upright)
    assert read_image_size(io.BytesIO(in_files[1])) == upright.shape[:2]


def test_files_are_read_as_opencv_reads_them(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), noise())
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", "BGR"), noise())
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", "RGB"), noise()[:, :, ::-1])


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_grey_of_16_bits_is_divided_by_257(tmp_path, suffix):
    values = np.linspace(0, 65535, 4800).reshape(60, 80).astype(np.uint16)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), values)
    found = read_image(tmp_path / f"a{suffix}", "BGR")
    np.testing.assert_array_equal(found[:, :, 0], np.round(values / 257))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.float32([[-1, 0, 1]]), [0, 128, 255]),
        (np.float32([[np.nan, 2, 4]]), [0, 128, 255]),
        (np.int32([[0, 500_000, 1_000_000]]), [0, 128, 255]),
    ],
)
def test_values_without_a_white_are_scaled_by_their_range(tmp_path, values, expected):
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif", "RGB")[0, :, 0].tolist() == expected


def test_damaged_exif_data_do_not_lose_the_image():
    data = exif(6)
    data[0x0110] = "some camera"  # a text
    jpeg = encoded(Image.fromarray(noise()), "JPEG", exif=data)
    expected = read_image(jpeg, "RGB")
    damaged = jpeg.replace(b"\x01\x10\x00\x02", b"\x01\x03\x00\x02")  # as the number of a method
    with pytest.raises(struct.error):
        ImageOps.exif_transpose(Image.open(io.BytesIO(damaged)))
    np.testing.assert_array_equal(read_image(damaged, "RGB"), expected)
    unreadable = jpeg.replace(b"MM\x00*", b"????")
    assert read_image(unreadable, "RGB").shape == (30, 40, 3)


def truncated(content):
    return content[: len(content) // 2]


def with_wrong_checksum(content):
    start = content.index(b"IDAT") + 4
    return content[:start] + struct.pack(">I", 1) + content[start + 4 :]


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
@pytest.mark.parametrize("damage", [truncated, lambda _: b"", lambda _: b"x"])
def test_a_damaged_image_raises(file_format, damage):
    with pytest.raises(IMAGE_ERRORS):
        read_image(damage(encoded(Image.fromarray(noise()), file_format)), "RGB")


def test_a_wrong_checksum_raises():
    with pytest.raises(IMAGE_ERRORS):
        read_image(with_wrong_checksum(encoded(Image.fromarray(noise()), "PNG")), "RGB")


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_a_truncated_image_raises_also_where_a_library_lets_pillow_pass_it(
    monkeypatch, file_format
):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(IMAGE_ERRORS):
        read_image(truncated(encoded(Image.fromarray(noise(300, 300)), file_format)), "RGB")
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_the_size_of_a_jpeg_needs_the_header_only():
    jpeg = encoded(Image.new("RGB", (300, 200)), "JPEG")
    assert read_image_size(io.BytesIO(jpeg[:700])) == (200, 300)


def test_the_orientation_of_a_png_may_follow_its_pixels():
    png = encoded(Image.fromarray(noise()), "PNG")
    stream = io.BytesIO()
    PngImagePlugin.putchunk(stream, b"eXIf", exif(6).tobytes()[6:])
    turned = png[:-12] + stream.getvalue() + png[-12:]
    assert read_image_size(io.BytesIO(turned)) == (40, 30)
    assert read_image(turned, "RGB").shape == (40, 30, 3)


def test_images_are_told_by_their_names():
    names = ["a.JPEG", "b.png", "c.txt", "d.jpg.txt", "e.WebP", "._f.jpg", "g/._h.jpg", "i.jfif"]
    assert [n for n in names if is_image_name(n)] == ["a.JPEG", "b.png", "e.WebP", "i.jfif"]
    assert {".jpe", ".jif", ".avif", ".ppm"} <= IMAGE_SUFFIXES
