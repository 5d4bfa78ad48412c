"""Augmenting images as Pillow holds them gives what augmenting arrays gives, from the same draws."""

import numpy as np
import pytest
import torch
from detectron2.data import transforms as T
from PIL import Image

from detic.loading.augmentation import EfficientDetResizeCrop, KeepSides, resize_window
from detic.loading.image_augmentation import augment

USUAL = {
    "jitter, flip": [EfficientDetResizeCrop(32, (0.1, 2.0)), T.RandomFlip()],
    "shortest edge, vertical flip": [
        KeepSides(T.ResizeShortestEdge((10, 30), 50, "range")),
        T.RandomFlip(horizontal=False, vertical=True),
    ],
    "no resize": [T.ResizeShortestEdge(0)],
    "nothing": [],
}


class ByArrays(T.Augmentation):
    """An augmentation that does nothing, for all that anybody knows."""

    def get_transform(self, image):
        return T.NoOpTransform()


def noise(width, height, seed=0):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("steps", USUAL.values(), ids=USUAL.keys())
def test_pillow_gives_what_arrays_give(steps, order):
    np.random.seed(0)
    for width, height in [(50, 37), (37, 50), (1, 90), (90, 1)] * 6:
        image, state = noise(width, height), np.random.get_state()
        ours = augment(image, steps, order)
        drawn = np.random.uniform()
        np.random.set_state(state)
        arrays = augment(image, [*steps, ByArrays()], order)
        assert drawn == np.random.uniform()
        assert torch.equal(ours.image, arrays.image)
        assert str(ours.transforms) == str(T.TransformList(arrays.transforms.transforms[:-1]))


def test_results_can_be_written_to_and_are_not_the_image():
    image = noise(4, 3)
    result = augment(image, [], "RGB").image
    expected = torch.from_numpy(np.array(image)).permute(2, 0, 1).clone()
    assert torch.equal(result, expected)
    result.zero_()
    assert torch.equal(augment(image, [], "RGB").image, expected)


@pytest.mark.parametrize("interp", [Image.Resampling.BILINEAR, Image.Resampling.NEAREST])
def test_windows_are_those_of_the_whole_resized_image(interp):
    rng = np.random.default_rng(0)
    for seed in range(300):
        image = noise(*rng.integers(1, 40, 2), seed)
        size_wh = tuple(rng.integers(1, 60, 2).tolist())
        left, top = (int(rng.integers(0, side)) for side in size_wh)
        right, bottom = (
            int(rng.integers(start + 1, side + 1))
            for start, side in zip((left, top), size_wh, strict=True)
        )
        window = left, top, right, bottom
        expected = image.resize(size_wh, interp).crop(window)
        assert resize_window(image, size_wh, window, interp).tobytes() == expected.tobytes()
