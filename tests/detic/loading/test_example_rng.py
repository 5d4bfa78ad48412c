"""Random numbers of one example."""

import random

import numpy as np
import torch

from detic.loading.workers import example_rng


def draw():
    return random.random(), np.random.uniform(), torch.rand(1).item()


def test_an_example_draws_the_same_numbers_everywhere():
    with example_rng(seed=1, position=7):
        first = draw()
    draw()
    with example_rng(seed=1, position=7):
        assert draw() == first


def test_examples_and_trainings_differ():
    numbers = set()
    for seed, position in ((1, 7), (1, 8), (2, 7), (7, 1)):
        with example_rng(seed, position):
            numbers.update(draw())
    assert len(numbers) == 12


def test_the_generators_of_the_process_are_left_alone():
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(0)
    expected = draw()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(0)
    with example_rng(1, 2):
        draw()
    assert draw() == expected
