"""Crops."""

import numpy as np
import pytest
from detectron2.data import transforms as T

from .helpers import seeded, uniform


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("crop_type", "crop_size", "lowest", "highest"),
    [
        ("relative", (0.5, 0.25), (20, 15), (20, 15)),
        ("relative_range", (0.5, 0.25), (20, 15), (40, 60)),
        ("absolute", (10, 80), (10, 60), (10, 60)),
        ("absolute", (80, 10), (40, 10), (40, 10)),
        ("absolute_range", (30, 50), (30, 30), (40, 50)),
    ],
)
def test_crops_have_the_described_size_and_lie_inside(
    image, crop_type, crop_size, lowest, highest, seed
):
    crop = seeded(seed, T.RandomCrop(crop_type, crop_size), image)
    assert lowest[0] <= crop.h <= highest[0]
    assert lowest[1] <= crop.w <= highest[1]
    assert 0 <= crop.x0 <= 60 - crop.w
    assert 0 <= crop.y0 <= 40 - crop.h
    assert crop.apply_image(image).shape == (crop.h, crop.w, 3)


def test_crop_draws_size_then_top_then_left(image):
    crop = seeded(3, T.RandomCrop("relative_range", (0.5, 0.5)), image)
    stream = np.random.RandomState(3)
    size = 0.5 + stream.rand(2) * 0.5
    assert (crop.h, crop.w) == (int(40 * size[0] + 0.5), int(60 * size[1] + 0.5))
    assert crop.y0 == stream.randint(40 - crop.h + 1)
    assert crop.x0 == stream.randint(60 - crop.w + 1)


def test_absolute_range_draws_both_sides_including_the_ends(image):
    augmentation = T.RandomCrop("absolute_range", (30, 31))
    np.random.seed(0)
    sizes = {augmentation.get_crop_size((40, 31)) for _ in range(40)}
    assert sizes == {(30, 30), (30, 31), (31, 30), (31, 31)}
    assert augmentation.get_crop_size((20, 25)) == (20, 25)


def test_impossible_crops_are_refused(image):
    with pytest.raises(ValueError, match="unknown crop type 'round'; choose relative, "):
        T.RandomCrop("round", (1, 1))
    with pytest.raises(ValueError, match=r"is \(lowest, highest\), got \(5, 3\)"):
        T.RandomCrop("absolute_range", (5, 3))
    with pytest.raises(ValueError, match="larger than the image, 60x60 of 40x60"):
        T.RandomCrop("relative", (1.5, 1.0)).get_transform(image)


def test_fixed_size_crop_cuts_on_the_diagonal_and_pads(image):
    tfm = seeded(5, T.FixedSizeCrop((30, 70), pad_value=9.0), image)
    top = round(10 * uniform(5))
    result = tfm.apply_image(image)
    np.testing.assert_array_equal(result[:, :60], image[top : top + 30])
    assert result.shape == (30, 70, 3)
    assert (result[:, 60:] == 9).all()
    assert (tfm.apply_segmentation(image[:, :, 0])[:, 60:] == 255).all()
    coords = np.array([[3.0, 15.0]])
    np.testing.assert_allclose(tfm.apply_coords(coords.copy()), [[3, 15 - top]])
    assert tfm.inverse().apply_image(result).shape == image.shape


def test_padding_is_grey_unless_told_otherwise(image):
    padded = T.FixedSizeCrop((40, 61)).get_transform(image).apply_image(image)
    assert (padded[:, 60] == 128).all()


def test_fixed_size_crop_without_padding_only_cuts(image):
    assert T.FixedSizeCrop((30, 70), pad=False).get_transform(image).apply_image(image).shape == (
        30, 60, 3,
    )  # fmt: skip
