from dataclasses import replace

import numpy as np
import pytest
from detectron2.data.transforms import ResizeShortestEdge
from PIL import Image

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


def save_palette(path):
    Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).convert("P").save(path)


@pytest.mark.parametrize("save", [save_turned, save_deep, save_palette])
def test_files_are_read_as_the_detector_reads_them(tmp_path, save):
    save(tmp_path / "a.png")
    assert np.array_equal(load_image(tmp_path / "a.png"), read_image(tmp_path / "a.png", "RGB"))


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_text("no image")
    with pytest.raises(InputError, match="cannot read the image"):
        load_image(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="there is no image"):
        load_image(tmp_path / "b.jpg")
    with pytest.raises(InputError, match=r"array \(4, 4\) of float64"):
        load_image(np.zeros((4, 4)))
