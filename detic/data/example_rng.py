"""Random numbers that depend on an example alone."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def example_rng(seed: int, position: int) -> Iterator[None]:
    """Seed the random generators of Python, numpy and torch (CPU) for one example.

    Whatever draws inside gets the same numbers in any process. Afterwards the generators are as
    they were, so an example that is made in the training process does not disturb the model.

    Args:
        seed: of the training, 0 or more.
        position: of the example in the stream of all examples.
    """
    derived = int(np.random.SeedSequence([seed, position]).generate_state(1)[0])
    python_state, numpy_state = random.getstate(), np.random.get_state()
    torch_state = torch.default_generator.get_state()
    try:
        random.seed(derived)
        np.random.seed(derived)
        torch.default_generator.manual_seed(derived)
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.default_generator.set_state(torch_state)
