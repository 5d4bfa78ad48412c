"""Resizing, cropping and flipping."""

import numpy as np
import pytest
import torch
from detectron2.data import transforms as T
from PIL import Image

from detic.errors import InputError
from detic.loading.augmentation import (
    WITHOUT_CROP,
    AugmentationParams,
    EfficientDetResizeCrop,
    KeepSides,
    ResizeCropTransform,
    build_test_augmentations,
    build_train_augmentations,
)
from detic.loading.train_source import TrainSources


@pytest.fixture
def image():
    return np.random.RandomState(0).randint(0, 256, (40, 60, 3), dtype=np.uint8)


def draws(*numbers):
    """A stand-in for np.random.uniform that gives these numbers of [0, 1) in turn."""
    numbers = iter(numbers)
    return lambda low, high: low + next(numbers) * (high - low)


def test_the_scale_is_drawn_first_then_the_row_then_the_column(image, monkeypatch):
    monkeypatch.setattr(np.random, "uniform", draws(0.5, 0.25, 0.75))
    transform = EfficientDetResizeCrop(50, (1.0, 3.0)).get_transform(image)
    # Square of 2.0 * 50 px: scale min(100 / 40, 100 / 60), size 66.67 x 100
    assert transform.img_scale == 100 / 60
    assert (transform.scaled_h, transform.scaled_w) == (66, 100)
    assert (transform.offset_y, transform.offset_x) == (int(16 * 0.25), int(50 * 0.75))


def test_three_numbers_are_drawn_even_if_there_is_nothing_to_crop(image):
    np.random.seed(0)
    EfficientDetResizeCrop(50, (0.1, 0.2)).get_transform(image)
    after = np.random.uniform()
    np.random.seed(0)
    assert np.random.uniform(size=4)[3] == after


def test_very_long_images_keep_a_pixel():
    transform = EfficientDetResizeCrop(64, (0.1, 0.1)).get_transform(np.zeros((1000, 3, 3)))
    assert (transform.scaled_h, transform.scaled_w) == (6, 1)


def test_an_image_is_resized_by_pil_and_cropped_without_padding(image):
    cropped = ResizeCropTransform(66, 100, 20, 60, 100 / 60, 50).apply_image(image)
    resized = np.asarray(Image.fromarray(image).resize((100, 66), Image.Resampling.BILINEAR))
    assert cropped.shape == (46, 40, 3)
    np.testing.assert_array_equal(cropped, resized[20:66, 60:100])


def test_floats_are_interpolated_by_torch(image):
    floats = image.astype(np.float32)
    cropped = ResizeCropTransform(66, 100, 4, 30, 100 / 60, 50).apply_image(floats)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(floats).permute(2, 0, 1)[None], (66, 100), mode="bilinear"
    )[0].permute(1, 2, 0)
    np.testing.assert_allclose(cropped, expected[4:54, 30:80], rtol=1e-5)


def test_the_order_of_colours_does_not_matter(image):
    transform = ResizeCropTransform(66, 100, 4, 30, 100 / 60, 50)
    reversed_image = transform.apply_image(image[:, :, ::-1])
    np.testing.assert_array_equal(reversed_image[:, :, ::-1], transform.apply_image(image))


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 1)])
def test_one_channel_keeps_its_dimensions(image, shape):
    grey = image[:, :, 0].reshape(shape)
    assert ResizeCropTransform(20, 30, 0, 0, 0.5, 25).apply_image(grey).shape == (
        20,
        25,
        *shape[2:],
    )


def test_labels_of_a_segmentation_are_not_mixed():
    labels = np.array([[0, 200]], dtype=np.uint8).repeat(8, axis=0).repeat(4, axis=1)
    moved = ResizeCropTransform(11, 11, 0, 0, 1.4, 11).apply_segmentation(labels)
    assert set(np.unique(moved)) == {0, 200}


def test_points_follow_the_drawn_scale_as_in_the_released_training():
    # 7 x 0.9 px is cut to an image of 6 px; the point at its edge goes to 6.3.
    transform = ResizeCropTransform(6, 6, 1, 2, 0.9, 5)
    points = np.array([[7.0, 7.0]])
    moved = transform.apply_coords(points)
    np.testing.assert_allclose(moved, [[7 * 0.9 - 2, 7 * 0.9 - 1]])
    assert moved is points
    np.testing.assert_allclose(transform.inverse_apply_coords(moved), [[7.0, 7.0]])


def test_boxes_move_with_the_points():
    box = ResizeCropTransform(20, 30, 2, 5, 0.5, 20).apply_box(np.array([[10.0, 20.0, 40.0, 30.0]]))
    np.testing.assert_allclose(box, [[0, 8, 15, 13]])


@pytest.mark.parametrize("size_hw", [(1, 3000), (3000, 1), (2, 30_000), (60_000, 2), (5000, 1)])
@pytest.mark.parametrize("resize", ["EfficientDetResizeCrop", "ResizeShortestEdge", ""])
def test_no_side_of_a_training_image_vanishes(cfg, resize, size_hw):
    cfg.INPUT.CUSTOM_AUG = resize
    cfg.INPUT.MAX_SIZE_TRAIN = 1333
    source = TrainSources.from_config(cfg, 1).entries[0]
    aug_input = T.AugInput(np.zeros((*size_hw, 3), dtype=np.uint8))
    aug_input.apply_augmentations(
        build_train_augmentations(AugmentationParams.from_config(cfg), source)
    )
    assert min(aug_input.image.shape[:2]) == 1


@pytest.mark.parametrize("size_hw", [(1, 3000), (3000, 1), (2, 30_000)])
def test_no_side_of_a_test_image_vanishes(cfg, size_hw):
    aug_input = T.AugInput(np.zeros((*size_hw, 3), dtype=np.uint8))
    aug_input.apply_augmentations(build_test_augmentations(cfg))
    assert sorted(aug_input.image.shape[:2]) == [1, cfg.INPUT.MAX_SIZE_TEST]


def test_other_sizes_are_detectron2s():
    theirs = T.ResizeShortestEdge([30, 30], 100)
    image = np.random.RandomState(0).randint(0, 256, (40, 60, 3), dtype=np.uint8)
    found = KeepSides(theirs).get_transform(image).apply_image(image)
    np.testing.assert_array_equal(found, theirs.get_transform(image).apply_image(image))
    unchanged = KeepSides(T.ResizeShortestEdge([0, 0])).get_transform(image)
    assert unchanged.apply_image(image) is image


def test_training_resizes_and_then_flips(cfg):
    resize, flip = build_train_augmentations(
        AugmentationParams.from_config(cfg), TrainSources.from_config(cfg, 1).entries[0]
    )
    assert isinstance(resize, EfficientDetResizeCrop)
    assert (resize.size, resize.scale) == (64, (0.1, 2.0))
    assert isinstance(flip, T.RandomFlip)
    assert flip.prob == 0.5


def detr_steps(cfg, crop):
    cfg.INPUT.CUSTOM_AUG = "DETR"
    cfg.INPUT.MIN_SIZE_TRAIN = (30,)
    cfg.INPUT.MAX_SIZE_TRAIN = 1333
    cfg.INPUT.CROP.ENABLED = crop
    cfg.INPUT.CROP.TYPE, cfg.INPUT.CROP.SIZE = "absolute_range", (384, 600)
    source = TrainSources.from_config(cfg, 1).entries[0]
    return build_train_augmentations(AugmentationParams.from_config(cfg), source)


def test_detr_flips_and_then_resizes(cfg):
    flip, resize = detr_steps(cfg, crop=False)
    assert isinstance(flip, T.RandomFlip)
    assert isinstance(resize, KeepSides)


def test_detr_crops_every_other_image(cfg, image, monkeypatch):
    cfg.INPUT.RANDOM_FLIP = "none"
    (either,) = detr_steps(cfg, crop=True)
    counts = []
    for drawn in (0.6, 0.4):
        monkeypatch.setattr(np.random, "rand", lambda drawn=drawn: drawn)
        aug_input = T.AugInput(image.copy())
        counts.append(len(either(aug_input).transforms))
        assert min(aug_input.image.shape[:2]) == 30
    assert counts == [1, 3]  # a resize; a resize, a crop and a resize


def test_detr_does_not_blow_up_strips(cfg, monkeypatch):
    (either,) = detr_steps(cfg, crop=True)
    monkeypatch.setattr(np.random, "rand", lambda: 0.4)  # crop
    aug_input = T.AugInput(np.zeros((2, 30_000, 3), dtype=np.uint8))
    resized = either(aug_input).transforms[1]
    assert (resized.new_h, resized.new_w) == (1, 10_000)
    assert min(aug_input.image.shape[:2]) >= 1


def test_each_source_has_its_own_sizes(joint_cfg):
    joint_cfg.INPUT.CUSTOM_AUG = "ResizeShortestEdge"
    joint_cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING = "range"
    joint_cfg.DATALOADER.DATASET_MIN_SIZES = [[30, 30], [20, 20]]
    joint_cfg.DATALOADER.DATASET_MAX_SIZES = [100, 28]
    shapes = []
    for source in TrainSources.from_config(joint_cfg, 1).entries:
        aug_input = T.AugInput(np.zeros((40, 60, 3), dtype=np.uint8))
        aug_input.apply_augmentations(
            build_train_augmentations(AugmentationParams.from_config(joint_cfg), source)
        )
        shapes.append(aug_input.image.shape[:2])
    assert shapes == [(30, 45), (19, 28)]


@pytest.fixture
def jitter_cfg(joint_cfg):
    """Large-scale jitter into squares of 64 and 32 pixels."""
    joint_cfg.INPUT.CUSTOM_AUG = "LargeScaleJitter"
    joint_cfg.DATALOADER.DATASET_INPUT_SCALE = [(0.1, 2.0), (0.5, 1.5)]
    return joint_cfg


def steps_of_source(cfg, index):
    source = TrainSources.from_config(cfg, 1).entries[index]
    return build_train_augmentations(AugmentationParams.from_config(cfg), source)


def test_large_scale_jitter_gives_squares_of_each_sources_size(jitter_cfg, image):
    for index, side in ((0, 64), (1, 32)):
        for seed in range(5):
            np.random.seed(seed)
            aug_input = T.AugInput(image)
            aug_input.apply_augmentations(steps_of_source(jitter_cfg, index))
            assert aug_input.image.shape == (side, side, 3)


def test_large_scale_jitter_draws_scale_crop_and_flip(jitter_cfg, monkeypatch):
    grey = np.full((40, 60, 3), 7, dtype=np.uint8)
    # Scale 0.5 + 0.25 x 1: a square of 24 pixels, in which the image is 16 x 24
    monkeypatch.setattr(np.random, "uniform", lambda low=0, high=1, *_: low + 0.25 * (high - low))
    aug_input = T.AugInput(grey)
    aug_input.apply_augmentations(steps_of_source(jitter_cfg, 1))
    content = aug_input.image[:, ::-1] == 7  # flipped: what fills up the square is at the left
    assert content[:16, :24].all()
    assert (aug_input.image[:, ::-1][16:] == 128).all()
    assert (aug_input.image[:, ::-1][:, 24:] == 128).all()


def test_very_long_images_keep_a_pixel_under_large_scale_jitter(jitter_cfg):
    aug_input = T.AugInput(np.zeros((2, 30_000, 3), dtype=np.uint8))
    np.random.seed(0)
    aug_input.apply_augmentations(steps_of_source(jitter_cfg, 1))
    assert (aug_input.image == 0).any()


@pytest.mark.parametrize("name", WITHOUT_CROP)
def test_a_crop_beside_another_augmentation_is_refused(cfg, name):
    cfg.INPUT.CUSTOM_AUG = name
    cfg.INPUT.CROP.ENABLED = True
    with pytest.raises(InputError, match=f"CROP.ENABLED has no effect with .*'{name}'; set one"):
        AugmentationParams.from_config(cfg)


def test_no_flip_where_the_recipe_says_so(cfg):
    cfg.INPUT.RANDOM_FLIP = "none"
    assert (
        len(
            build_train_augmentations(
                AugmentationParams.from_config(cfg), TrainSources.from_config(cfg, 1).entries[0]
            )
        )
        == 1
    )


def test_without_a_custom_augmentation_detectron2_decides(cfg):
    cfg.INPUT.CUSTOM_AUG = ""
    cfg.INPUT.CROP.ENABLED = True
    steps = build_train_augmentations(
        AugmentationParams.from_config(cfg), TrainSources.from_config(cfg, 1).entries[0]
    )
    assert [type(step) for step in steps] == [T.RandomCrop, KeepSides, T.RandomFlip]


def test_vertical_flips_can_be_had(cfg):
    cfg.INPUT.RANDOM_FLIP = "vertical"
    flip = build_train_augmentations(
        AugmentationParams.from_config(cfg), TrainSources.from_config(cfg, 1).entries[0]
    )[1]
    assert (flip.horizontal, flip.vertical) == (False, True)


def test_an_unknown_flip_gives_the_choices(cfg):
    cfg.INPUT.RANDOM_FLIP = "diagonal"
    with pytest.raises(InputError, match="RANDOM_FLIP: unknown flip 'diagonal'; choose horizontal"):
        build_train_augmentations(
            AugmentationParams.from_config(cfg), TrainSources.from_config(cfg, 1).entries[0]
        )


def test_a_range_of_sizes_has_two_ends(cfg):
    cfg.INPUT.CUSTOM_AUG = "ResizeShortestEdge"
    cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING = "range"
    with pytest.raises(InputError, match=r"sizes of 'pets' must be .* not \[800\]"):
        build_train_augmentations(
            AugmentationParams.from_config(cfg), TrainSources.from_config(cfg, 1).entries[0]
        )


@pytest.mark.parametrize(("name", "own_sizes"), [("Mosaic", False), ("", True)])
def test_an_unknown_resize_gives_the_choices(joint_cfg, name, own_sizes):
    joint_cfg.INPUT.CUSTOM_AUG = name
    joint_cfg.DATALOADER.USE_DIFF_BS_SIZE = own_sizes
    source = TrainSources.from_config(joint_cfg, 1).entries[0]
    with pytest.raises(InputError, match=f"unknown resize '{name}'; choose EfficientDetResizeCrop"):
        build_train_augmentations(AugmentationParams.from_config(joint_cfg), source)


def test_test_images_fit_a_square_only_when_asked(cfg):
    assert [type(step) for step in build_test_augmentations(cfg)] == [KeepSides]
    cfg.INPUT.TEST_INPUT_TYPE = "square"
    cfg.INPUT.TEST_SIZE = 30
    (resize,) = build_test_augmentations(cfg)
    transform = resize.get_transform(np.zeros((40, 60, 3)))
    assert (transform.scaled_h, transform.scaled_w, transform.img_scale) == (20, 30, 0.5)
