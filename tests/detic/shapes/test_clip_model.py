import math

import numpy as np
import pytest
import torch

from detic.shapes.clip_model import ImageTower, TinyCLIP, contrastive_loss, standardized


@pytest.fixture(scope="module")
def clip():
    torch.manual_seed(0)
    return TinyCLIP().eval()


def test_loss_of_uninformative_logits_is_the_log_of_the_batch():
    assert contrastive_loss(torch.zeros(8, 8)).item() == pytest.approx(math.log(8))


def test_loss_vanishes_for_certain_matches():
    assert contrastive_loss(100 * torch.eye(4)).item() == pytest.approx(0, abs=1e-6)


def test_loss_is_symmetric_in_crops_and_captions():
    logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(contrastive_loss(logits), contrastive_loss(logits.T))


def test_standardized_mean_color_is_zero():
    crops = np.full((2, 4, 4, 3), (124, 116, 104), np.uint8)
    standard = standardized(crops)
    assert standard.shape == (2, 3, 4, 4)
    assert standard.abs().max() < 0.02


def test_logits_are_scaled_cosines(clip):
    crops = torch.randn(3, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    logits = clip(crops, ["a red star", "a key", "blue fish"])
    assert logits.shape == (3, 3)
    assert logits.abs().max() <= 1 / 0.07 + 1e-4


def test_both_towers_embed_alike(clip):
    features = clip.image_tower(torch.zeros(2, 3, 48, 48))
    assert features.shape == clip.text_encoder(["a", "b"]).shape == (2, 64)


def test_every_stage_of_the_trunk_learns():
    tower = ImageTower().train()
    tower(torch.randn(2, 3, 48, 48)).sum().backward()
    assert all(parameter.grad is not None for parameter in tower.parameters())
