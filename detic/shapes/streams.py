"""Independent random streams from one seed."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What random numbers are drawn for; each purpose has a stream of its own."""

    CLASSES = 0
    FREQUENCIES = 1
    TRAIN = 2
    VAL = 3
    LABELS = 4
    CAPTION_SCENES = 5
    CAPTION_TEST_SCENES = 6
    CAPTIONS = 7


def generator(seed: int, stream: Stream, *index: int) -> np.random.Generator:
    """Return the generator of one purpose and, within it, of one item.

    Items do not depend on each other: any of them can be drawn again alone, in any order and in
    any process.
    """
    return np.random.default_rng([seed, stream, *index])
