"""Changes of colour."""

import numpy as np
import pytest
from detectron2.data import transforms as T

from .helpers import seeded, uniform


@pytest.mark.parametrize(
    ("augmentation", "plain"),
    [
        (T.RandomBrightness, lambda image: 0.0),
        (T.RandomContrast, lambda image: image.mean()),
        (T.RandomSaturation, lambda image: image @ np.array([[0.299], [0.587], [0.114]])),
    ],
)
def test_colours_blend_with_a_plain_image(image, augmentation, plain):
    blend = seeded(2, augmentation(0.5, 1.5), image)
    weight = uniform(2, 0.5, 1.5)
    expected = weight * image.astype(np.float64) + (1 - weight) * plain(image)
    np.testing.assert_allclose(blend.apply_image(image), expected.clip(0, 255), atol=1.01)
    coords = np.array([[1.0, 2.0]])
    assert blend.apply_coords(coords) is coords


def test_saturation_needs_three_channels():
    with pytest.raises(ValueError, match=r"RGB images, got shape \(4, 4, 1\)"):
        T.RandomSaturation(0.5, 1.5).get_transform(np.zeros((4, 4, 1), dtype=np.uint8))
