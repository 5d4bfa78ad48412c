import numpy as np
import pytest
from PIL import Image

from detic.image_windows import ArrayWindows, DecodedWindows, RawWindows, open_windows
from detic.images import PIXEL_LIMIT, read_image

SIZE_HW = (37, 50)
WINDOW = (11, 5, 31, 30)
X1, Y1, X2, Y2 = WINDOW


@pytest.fixture
def image():
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE_HW, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def check(path, kind):
    """Check the windows of a file against the reader of whole images."""
    whole = read_image(path, "BGR")
    windows = open_windows(path)
    assert type(windows) is kind
    assert windows.size_hw == whole.shape[:2]
    np.testing.assert_array_equal(windows.read(WINDOW), whole[Y1:Y2, X1:X2])
    np.testing.assert_array_equal(windows.read((0, 0, 50, 37)), whole)


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.ppm", {}), ("a.bmp", {}), ("a.tif", {}), ("a.tif", {"strip_size": 600})],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_uncompressed_pixels_are_read_by_windows(tmp_path, image, name, options, mode):
    image.convert(mode).save(tmp_path / name, **options)
    check(tmp_path / name, RawWindows)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "lzw.tif"])
def test_compressed_pixels_are_decoded_first(tmp_path, image, name):
    options = {"compression": "tiff_lzw"} if name == "lzw.tif" else {}
    image.save(tmp_path / name, **options)
    check(tmp_path / name, DecodedWindows)


@pytest.mark.parametrize("mode", ["RGBA", "CMYK", "I;16", "1", "P"])
def test_other_modes_are_converted_as_ever(tmp_path, image, mode):
    convert = image.convert("L") if mode == "I;16" else image
    convert.convert(mode).save(tmp_path / "a.tif")
    check(tmp_path / "a.tif", DecodedWindows)


def test_images_that_are_turned_are_decoded_first(tmp_path, image):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "a.tif", exif=exif)
    check(tmp_path / "a.tif", DecodedWindows)


def tiled_tiff(path, pixels, side=16):
    """Write an uncompressed TIFF file in tiles, which Pillow reads and does not write."""
    height, width = pixels.shape[:2]
    rows, columns = -(-height // side), -(-width // side)
    padded = np.zeros((rows * side, columns * side, 3), np.uint8)
    padded[:height, :width] = pixels
    tiles = padded.reshape(rows, side, columns, side, 3).swapaxes(1, 2).tobytes()
    count, size = rows * columns, side * side * 3
    data = 8 + 2 + 12 * 10 + 4 + 6 + 4 * count * 2
    bits, offsets, sizes = (data - 6 - 8 * count, data - 8 * count, data - 4 * count)
    fields = [
        *((256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, bits), (259, 3, 1, 1)),
        *((262, 3, 1, 2), (277, 3, 1, 3), (322, 3, 1, side), (323, 3, 1, side)),
        *((324, 4, count, offsets), (325, 4, count, sizes)),
    ]
    words = [np.array([len(fields)], "<u2").tobytes()]
    words += [
        np.array([t, k], "<u2").tobytes() + np.array(v, "<u4").tobytes() for t, k, *v in fields
    ]
    ends = [bytes(4), np.array([8, 8, 8], "<u2").tobytes()]
    ends += [np.arange(data, data + count * size, size).astype("<u4").tobytes()]
    ends += [np.full(count, size, "<u4").tobytes(), tiles]
    path.write_bytes(b"II*\0" + np.array([8], "<u4").tobytes() + b"".join(words + ends))


def test_tiles_of_tiff_files_are_read_by_windows(tmp_path, image):
    tiled_tiff(tmp_path / "a.tif", np.asarray(image))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", "RGB"), np.asarray(image))
    check(tmp_path / "a.tif", RawWindows)


def test_files_that_are_cut_short_are_refused(tmp_path, image):
    image.save(tmp_path / "a.ppm")
    content = (tmp_path / "a.ppm").read_bytes()
    (tmp_path / "a.ppm").write_bytes(content[:-100])
    with pytest.raises(OSError, match="truncated"):
        open_windows(tmp_path / "a.ppm")


@pytest.mark.parametrize("name", ["a.ppm", "a.png"])
def test_too_large_images_are_refused_with_the_key_that_raises_the_limit(
    tmp_path, image, monkeypatch, name
):
    image.save(tmp_path / name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # put back at the end
    monkeypatch.setenv(PIXEL_LIMIT, "1000")
    with pytest.raises(Image.DecompressionBombError, match=f"{PIXEL_LIMIT} in the environment"):
        open_windows(tmp_path / name)
    monkeypatch.setenv(PIXEL_LIMIT, "10000")
    assert open_windows(tmp_path / name).size_hw == SIZE_HW


def test_arrays_have_windows(image):
    windows = ArrayWindows(np.asarray(image))
    np.testing.assert_array_equal(windows.read(WINDOW), np.asarray(image)[Y1:Y2, X1:X2])
    assert windows.size_hw == SIZE_HW
