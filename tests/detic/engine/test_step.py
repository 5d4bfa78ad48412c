import pytest
import torch

from detic.engine.step import derived_seed
from detic.errors import InputError
from tests.detic.engine.toy import ToyModel, toy_step


def batch(*targets):
    return [{"target": t, "file_name": f"{t}.jpg"} for t in targets]


def test_step_follows_the_gradient():
    model = ToyModel()
    losses = toy_step(model)(0, [batch(3.0)])
    assert losses == {"loss_square": 9.0}
    torch.testing.assert_close(model.weight.detach(), torch.tensor(0.6))  # 0 + 0.1 * 2 * 3


def test_accumulated_batches_count_like_one_of_them():
    model = ToyModel()
    losses = toy_step(model, accumulate=2)(0, [batch(2.0), batch(4.0)])
    assert losses == {"loss_square": 10.0}
    torch.testing.assert_close(model.weight.detach(), torch.tensor(0.6))  # mean target 3


def test_noise_depends_on_seed_iteration_and_place_alone():
    first = toy_step(ToyModel(noise=1.0), accumulate=2)
    torch.manual_seed(0)
    first(7, [batch(1.0), batch(1.0)])
    second = toy_step(ToyModel(noise=1.0), accumulate=2)
    torch.manual_seed(1)
    second(7, [batch(1.0), batch(1.0)])
    torch.testing.assert_close(first.model.weight, second.model.weight)
    third = toy_step(ToyModel(noise=1.0), accumulate=2)
    third(8, [batch(1.0), batch(1.0)])
    assert third.model.weight != second.model.weight


def test_seeds_of_neighbouring_numbers_differ():
    seeds = {derived_seed(a, b, c) for a in range(5) for b in range(50) for c in range(4)}
    assert len(seeds) == 1000


def test_loss_that_is_not_finite_names_itself_and_the_images():
    step = toy_step(ToyModel())
    with pytest.raises(InputError, match=r"iteration 12: loss_square .*nan\.jpg.*--resume"):
        step(12, [batch(float("nan"))])


def test_weights_survive_a_broken_batch():
    step = toy_step(ToyModel())
    step(0, [batch(1.0)])
    before = step.model.weight.detach().clone()
    with pytest.raises(InputError):
        step(1, [batch(float("inf"))])
    assert step.model.weight == before
