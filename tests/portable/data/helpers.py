"""Seeded draws, of an augmentation and of numpy, to compare with each other."""

import numpy as np


def seeded(seed, augmentation, image):
    """Return the transform that the augmentation draws after seeding np.random."""
    np.random.seed(seed)
    return augmentation.get_transform(image)


def uniform(seed, low=0.0, high=1.0):
    """Return the first uniform number after that seed."""
    return np.random.RandomState(seed).uniform(low, high)
