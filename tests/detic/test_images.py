"""Images in files: their pixels and sizes, in all kinds of files."""

import io
import os
import struct

import cv2
import numpy as np
import pytest
from detectron2.data import detection_utils
from PIL import Image, ImageFile, ImageOps, PngImagePlugin, UnidentifiedImageError

from detic import images
from detic.errors import InputError
from detic.images import (
    IMAGE_ERRORS,
    IMAGE_SUFFIXES,
    decode_image,
    is_image_name,
    read_image,
    read_image_size,
)

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
    assert read_image_size(path) == read_image(path, "RGB").shape[:2]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_images_are_turned_once(orientation):
    """Pillow turns them as it decodes them; Detectron2 0.6 turns them again."""
    in_files = [
        encoded(of_mode("RGB"), file_format, exif=exif(orientation))
        for file_format in ("PNG", "TIFF")
    ]
    upright, tiff = (read_image(content, "RGB") for content in in_files)
    np.testing.assert_array_equal(tiff, upright)
    assert read_image_size(in_files[1]) == upright.shape[:2]


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


def with_a_byte_changed(content, mark, offset):
    position = content.index(mark) + offset
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


def png_with_texts():
    texts = PngImagePlugin.PngInfo()
    texts.add_text("comment", "a text" * 20, zip=True)
    texts.add_itxt("comment", "a text" * 20, zip=True)
    return encoded(Image.fromarray(noise()), "PNG", pnginfo=texts, exif=exif(6))


@pytest.mark.parametrize("chunk", [b"zTXt", b"iTXt"])
def test_damaged_texts_do_not_lose_the_image(chunk):
    expected = read_image(png_with_texts(), "RGB")
    damaged = with_a_byte_changed(png_with_texts(), chunk, 14)
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(damaged))
    np.testing.assert_array_equal(read_image(damaged, "RGB"), expected)  # upright all the same
    assert read_image_size(damaged) == expected.shape[:2]


def test_damaged_exif_data_of_a_png_do_not_lose_the_image():
    damaged = with_a_byte_changed(png_with_texts(), b"eXIf", 6)
    np.testing.assert_array_equal(read_image(damaged, "RGB"), noise())


@pytest.mark.skipif(".avif" not in Image.registered_extensions(), reason="came with Pillow 11.3")
def test_damaged_exif_data_of_avif_do_not_lose_the_image():
    data = exif(6)
    data[0x0110] = "some camera"
    content = encoded(Image.fromarray(noise()), "AVIF", exif=data)
    expected = read_image(content, "RGB")
    assert expected.shape == (40, 30, 3)
    damaged = content.replace(b"MM\0*", b"????")
    assert damaged != content
    np.testing.assert_array_equal(read_image(damaged, "RGB"), expected)  # it is turned elsewhere
    broken = with_a_byte_changed(content, b"\x12\x00\n", 0)  # where the pixels begin
    with pytest.raises(IMAGE_ERRORS):  # Pillow raises a RuntimeError
        read_image(broken, "RGB")


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


def test_what_is_no_image_is_told_in_words():
    with pytest.raises(UnidentifiedImageError, match="it is no image, or damaged at its start"):
        read_image(b"text", "RGB")


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
    assert read_image_size(jpeg[:700]) == (200, 300)


def test_the_orientation_of_a_png_may_follow_its_pixels():
    png = encoded(Image.fromarray(noise()), "PNG")
    stream = io.BytesIO()
    PngImagePlugin.putchunk(stream, b"eXIf", exif(6).tobytes()[6:])
    turned = png[:-12] + stream.getvalue() + png[-12:]
    assert read_image_size(turned) == (40, 30)
    assert read_image(turned, "RGB").shape == (40, 30, 3)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for read in (read_image_size, lambda path: read_image(path, "RGB")):
        with pytest.raises(OSError, match="it is a pipe, not a file"):
            read(tmp_path / "pipe.png")
        with pytest.raises(OSError, match="it is a device, not a file"):
            read("/dev/zero")
        with pytest.raises(OSError, match="it is a folder, not a file"):
            read(tmp_path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_limit_of_pixels_is_named_and_can_be_raised(monkeypatch):
    png = encoded(Image.new("L", (40, 30)), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with pytest.raises(IMAGE_ERRORS, match="exceeds limit of 1000 pixels; DETIC_MAX_IMAGE_PIXELS"):
        read_image(png, "RGB")
    monkeypatch.setenv("DETIC_MAX_IMAGE_PIXELS", "1200")
    assert read_image(png, "RGB").shape == (30, 40, 3)
    monkeypatch.setenv("DETIC_MAX_IMAGE_PIXELS", "many")
    with pytest.raises(InputError, match="DETIC_MAX_IMAGE_PIXELS is 'many'"):
        read_image(png, "RGB")


def test_out_of_memory_tells_the_size(monkeypatch):
    def fail(*_):
        raise MemoryError

    grey = encoded(Image.new("L", (40, 30)), "PNG")
    monkeypatch.setattr(Image.Image, "convert", fail)
    for read in (lambda: read_image(grey, "RGB"), lambda: decode_image(grey)):
        with pytest.raises(
            IMAGE_ERRORS, match=r"it needs more memory than there is \(40 x 30 pixels\)"
        ):
            read()


def test_images_are_told_by_their_names():
    names = ["a.JPEG", "b.png", "c.txt", "d.jpg.txt", "e.WebP", "._f.jpg", "g/._h.jpg", "i.jfif"]
    assert [n for n in names if is_image_name(n)] == ["a.JPEG", "b.png", "e.WebP", "i.jfif"]
    assert {".jpe", ".jif", ".avif", ".ppm"} <= IMAGE_SUFFIXES


def test_pixels_are_copied_band_by_band(monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (11, 7, 3), dtype=np.uint8)
    monkeypatch.setattr(images, "_BAND_PIXELS", 3 * 7)
    np.testing.assert_array_equal(
        images.image_pixels(Image.fromarray(pixels), "BGR"), pixels[:, :, ::-1]
    )
