"""Class vectors that tell some regions from others."""

import math

import pytest
import torch
from torch.nn import functional as F

from detic.tuning.fit import FitParams, fit_vectors, mean_probability_loss

ON_TEXTS = FitParams(prior=0.1)


def regions(*directions, stages=1, each=6):
    """(K, R, D) regions of length 10 around directions of the axes, and the axis of each."""
    noise = torch.randn(
        stages, each * len(directions), 4, generator=torch.Generator().manual_seed(0)
    )
    axes = torch.tensor(directions).repeat_interleave(each)
    return 10 * F.normalize(F.one_hot(axes, 4) + 0.1 * noise, dim=2), axes


def fit(embeddings, axes, prior, params=ON_TEXTS, weights=None):
    positive = axes[:, None] == torch.arange(len(prior))
    weights = torch.ones(positive.shape) if weights is None else weights
    return fit_vectors(embeddings, positive, weights, prior, params)


@pytest.mark.parametrize("stages", [1, 3])
def test_fitted_vectors_find_their_classes_where_the_prior_does_not(stages):
    embeddings, axes = regions(0, 1, stages=stages)
    prior = torch.tensor([[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    fitted = fit(embeddings, axes, prior)
    scores = (embeddings @ fitted.t()).sigmoid().mean(dim=0)  # (R, C)
    positive = axes[:, None] == torch.arange(2)
    assert scores[positive].min() > 0.8
    assert scores[~positive].max() < 0.2


def test_a_vector_keeps_its_length():
    embeddings, axes = regions(0, 1)
    prior = torch.tensor([[0.0, 0.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.5]])
    assert fit(embeddings, axes, prior).norm(dim=1).tolist() == pytest.approx([3.0, 0.5])


def test_a_strong_prior_stays():
    embeddings, axes = regions(0, 1)
    prior = F.normalize(torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]), dim=1)
    near = fit(embeddings, axes, prior, FitParams(prior=1e6))
    far = fit(embeddings, axes, prior, FitParams(prior=0.1))
    torch.testing.assert_close(near, prior, atol=1e-3, rtol=0)
    assert (far - prior).norm(dim=1).min() > 0.3


def test_a_class_of_which_nothing_is_known_keeps_the_prior_to_the_bit():
    embeddings, axes = regions(0, 1)
    prior = torch.randn(2, 4, generator=torch.Generator().manual_seed(1))
    weights = torch.tensor([1.0, 0.0]).expand(len(axes), 2)
    fitted = fit(embeddings, axes, prior, weights=weights)
    assert fitted[1].equal(prior[1])
    assert not fitted[0].equal(prior[0])


def test_classes_do_not_depend_on_each_other():
    embeddings, axes = regions(0, 1, 2)
    prior = torch.eye(4)[[3, 3, 3]]
    together = fit(embeddings, axes, prior)
    alone = fit(embeddings, axes, prior[:1])
    torch.testing.assert_close(together[:1], alone, atol=2e-2, rtol=0)


def test_the_loss_is_that_of_the_mean_probability():
    logits = torch.tensor([1.0, -2.0, 0.5]).reshape(3, 1, 1).repeat(1, 1, 2)
    mean = torch.tensor([1.0, -2.0, 0.5]).sigmoid().mean().item()
    found = mean_probability_loss(logits, torch.tensor([[True, False]]))
    assert found[0].tolist() == pytest.approx([-math.log(mean), -math.log(1 - mean)])


def test_a_tiny_probability_still_has_a_gradient():
    logits = torch.full((3, 1, 1), -90.0, requires_grad=True)
    mean_probability_loss(logits, torch.tensor([[True]])).sum().backward()
    assert logits.grad.sum().item() == pytest.approx(-1, abs=1e-4)
