"""Flips, resizes and crops; their draws are those of np.random in a documented order."""

import numpy as np
import pytest
from detectron2.data import transforms as T

from .helpers import seeded, uniform


@pytest.mark.parametrize("seed", range(4))
def test_flip_draws_one_uniform_number(image, seed):
    flip = seeded(seed, T.RandomFlip(prob=0.5), image)
    assert isinstance(flip, T.HFlipTransform if uniform(seed) < 0.5 else T.NoOpTransform)
    after_one_draw = np.random.RandomState(seed)
    after_one_draw.uniform()
    assert np.random.uniform() == after_one_draw.uniform()


def test_flip_has_one_direction(image):
    vertical = T.RandomFlip(1.0, horizontal=False, vertical=True).get_transform(image)
    np.testing.assert_array_equal(vertical.apply_image(image), image[::-1])
    for both in (True, False):
        with pytest.raises(ValueError, match="in one direction, horizontal or vertical"):
            T.RandomFlip(horizontal=both, vertical=both)


@pytest.mark.parametrize(
    ("size_hw", "short_edge", "max_size", "expected"),
    [
        ((480, 640), 800, 1333, (800, 1067)),
        ((640, 480), 800, 1333, (1067, 800)),
        ((400, 1000), 800, 1333, (533, 1333)),  # the longer side is the limit
        ((7, 7), 10, 100, (10, 10)),
    ],
)
def test_output_shape_of_resize_shortest_edge(size_hw, short_edge, max_size, expected):
    shape = T.ResizeShortestEdge.get_output_shape(*size_hw, short_edge, max_size)
    assert shape == expected


@pytest.mark.parametrize("seed", range(4))
def test_range_draws_an_integer_including_both_ends(image, seed):
    resize = seeded(seed, T.ResizeShortestEdge((20, 22), 1000, "range"), image)
    assert resize.new_h == np.random.RandomState(seed).randint(20, 23)
    assert (resize.h, resize.w, resize.new_w) == (40, 60, round(resize.new_h * 1.5))


@pytest.mark.parametrize("seed", range(4))
def test_choice_draws_from_the_list(image, seed):
    resize = seeded(seed, T.ResizeShortestEdge([10, 20, 32], sample_style="choice"), image)
    assert resize.new_h == np.random.RandomState(seed).choice([10, 20, 32])


def test_resize_shortest_edge_special_cases(image):
    assert T.ResizeShortestEdge(20).get_transform(image).new_h == 20
    assert isinstance(T.ResizeShortestEdge(0).get_transform(image), T.NoOpTransform)
    with pytest.raises(ValueError, match="unknown sample_style 'any'; choose 'range' or 'choice'"):
        T.ResizeShortestEdge(20, sample_style="any")


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


def test_unknown_crop_type_is_refused():
    with pytest.raises(ValueError, match="unknown crop type 'round'; choose relative, "):
        T.RandomCrop("round", (1, 1))


def test_resizes_to_given_shapes(image):
    assert T.Resize(30).get_transform(image).apply_image(image).shape == (30, 30, 3)
    assert T.Resize((10, 20)).get_transform(image).apply_image(image).shape == (10, 20, 3)
    resize = seeded(3, T.RandomResize([(8, 9), (10, 11)]), image)
    expected = [(8, 9), (10, 11)][np.random.RandomState(3).randint(2)]
    assert (resize.new_h, resize.new_w) == expected


@pytest.mark.parametrize("prob", [0.0, 1.0])
def test_apply_with_a_probability(image, prob):
    flip = T.RandomApply(T.HFlipTransform(60), prob)
    expected = image[:, ::-1] if prob else image
    for tfm in (flip.get_transform(image), flip(T.AugInput(image))):
        np.testing.assert_array_equal(tfm.apply_image(image), expected)


@pytest.mark.parametrize(
    ("augmentation", "reference"),
    [
        (T.RandomBrightness, lambda image: 0.0),
        (T.RandomContrast, lambda image: image.mean()),
        (T.RandomSaturation, lambda image: image @ np.array([0.299, 0.587, 0.114])),
    ],
)
def test_intensities_scale_the_distance_from_a_reference(image, augmentation, reference):
    pixels = image.astype(np.float32)
    changed = augmentation(0.5, 0.5).get_transform(pixels).apply_image(pixels)
    goal = np.broadcast_to(np.atleast_3d(reference(pixels)), pixels.shape)
    np.testing.assert_allclose(changed, 0.5 * (pixels + goal), rtol=1e-4)
    np.testing.assert_allclose(augmentation(1, 1).get_transform(pixels).apply_image(pixels), pixels)


def test_lighting_adds_one_colour(image):
    pixels = image.astype(np.float32)
    difference = seeded(0, T.RandomLighting(10.0), pixels).apply_image(pixels) - pixels
    assert np.ptp(difference, axis=(0, 1)).max() < 1e-3
    assert abs(difference[0, 0]).min() > 0


def test_crops_avoid_a_single_category():
    labels = np.zeros((20, 20), dtype=np.uint8)
    labels[:, 10:] = 1
    image = np.zeros((20, 20, 3), dtype=np.uint8)
    np.random.seed(0)
    crop = T.RandomCrop_CategoryAreaConstraint("absolute", (8, 8), single_category_max_area=0.9)
    cut = crop(T.AugInput(image, sem_seg=labels)).apply_segmentation(labels)
    assert set(np.unique(cut)) == {0, 1}
