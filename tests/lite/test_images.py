from dataclasses import replace

import numpy as np
import pytest
from detectron2.data.transforms import ResizeShortestEdge
from PIL import Image

from detic.image_arrays import array_to_bgr
from detic.images import read_image
from detic_lite.errors import InputError
from detic_lite.images import load_image, network_input, resized_hw


def test_sizes_are_those_of_the_detector(metadata):
    generator = np.random.default_rng(0)
    for short, longest in ((20, 50), (800, 1333), (128, 256)):
        of_model = replace(metadata, short_side_px=short, max_side_px=longest)
        for height, width in generator.integers(1, 3000, (500, 2)).tolist():
            expected = ResizeShortestEdge.get_output_shape(height, width, short, longest)
            assert resized_hw(height, width, of_model) == tuple(max(1, x) for x in expected)


def test_images_without_a_resize_keep_their_size(metadata):
    assert resized_hw(7, 9, replace(metadata, short_side_px=0)) == (7, 9)


def test_small_sides_are_filled_up(metadata):
    white = Image.new("RGB", (40, 20), "white")
    given = network_input(white, replace(metadata, min_side_px=30))
    assert given.size_hw == (20, 40)
    assert given.pixels.shape == (30, 40, 3)
    assert given.pixels[:20].min() == 255
    assert (given.pixels[20:] == (1, 2, 3)).all()


def test_images_fit_into_a_fixed_size(metadata):
    given = network_input(Image.new("RGB", (30, 20)), replace(metadata, fixed_size_hw=(64, 64)))
    assert given.size_hw == (43, 64)
    assert given.pixels.shape == (64, 64, 3)


@pytest.mark.parametrize(("order", "expected"), [("RGB", [1, 2, 3]), ("BGR", [3, 2, 1])])
def test_channels_are_in_the_order_of_the_graph(metadata, order, expected):
    image_bgr = np.full((20, 20, 3), (3, 2, 1), np.uint8)
    given = network_input(load_image(image_bgr), replace(metadata, channel_order=order))
    assert given.pixels[0, 0].tolist() == expected


def save_turned(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.arange(24, dtype=np.uint8).reshape(2, 4, 3)).save(path, exif=exif)


def save_deep(path):
    Image.fromarray(np.arange(0, 60000, 5000, dtype=np.uint16).reshape(3, 4)).save(path)


def save_in_mode(mode):
    def save(path):
        Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).convert(mode).save(path)

    return save


def save_with_alpha(path):
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(3, 4, 4)).save(path)


def save_with_damaged_exif(path):
    Image.new("RGB", (4, 3), "red").save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(
    "save",
    [
        save_turned,
        save_deep,
        save_with_alpha,
        save_with_damaged_exif,
        *map(save_in_mode, ("1", "L", "LA", "P", "F", "CMYK")),
    ],
)
def test_files_are_read_as_the_detector_reads_them(tmp_path, save):
    path = (
        tmp_path / "a.tif"
        if save not in (save_turned, save_with_damaged_exif)
        else tmp_path / "a.png"
    )
    save(path)
    assert np.array_equal(load_image(path), read_image(path, "RGB"))


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 4)])
def test_arrays_are_read_as_the_detector_reads_them(shape):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    assert np.array_equal(np.asarray(load_image(array))[:, :, ::-1], array_to_bgr(array))


def test_files_that_end_too_early_are_refused(tmp_path):
    Image.effect_noise((90, 90), 50).save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"cannot read the image .*a\.jpg: .*truncated"):
        load_image(tmp_path / "a.jpg")


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_text("no image")
    with pytest.raises(InputError, match="is no image, or it is damaged"):
        load_image(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="there is no image"):
        load_image(tmp_path / "b.jpg")
    with pytest.raises(InputError, match=r"array \(4, 4\) of float64"):
        load_image(np.zeros((4, 4)))
