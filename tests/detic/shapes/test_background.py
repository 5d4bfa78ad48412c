import numpy as np

from detic.shapes.background import draw_background, expose


def test_background_is_muted():
    for seed in range(8):
        image = draw_background((64, 96), np.random.default_rng(seed))
        assert image.shape == (64, 96, 3)
        mean = image.mean(axis=(0, 1))
        assert (mean.max() - mean.min()) / mean.max() < 0.35


def test_backgrounds_differ():
    first, second = (draw_background((32, 32), np.random.default_rng(seed)) for seed in (0, 1))
    assert np.abs(first - second).mean() > 5


def test_exposure_keeps_the_image_recognisable():
    image = np.tile(np.linspace(20, 230, 64, dtype=np.float32)[None, :, None], (64, 1, 3))
    exposed = expose(image, np.random.default_rng(0))
    assert exposed.dtype == np.uint8
    assert np.corrcoef(exposed.ravel(), image.ravel())[0, 1] > 0.98
