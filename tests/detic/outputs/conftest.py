"""Detections of an image of 40 x 60 pixels, with simple numbers."""

from dataclasses import replace

import numpy as np
import pytest

from detic.detections import Detections
from detic.outputs import ImageRecord, numbered_categories
from detic.vocabulary import Vocabulary


@pytest.fixture
def found():
    masks = np.zeros((2, 40, 60), dtype=bool)
    masks[0, 5:20, 10:40] = True
    masks[1, 20:40, 0:12] = True
    return Detections(
        boxes_xyxy=np.array([[10.0, 5.0, 40.0, 20.0], [0.0, 20.0, 12.0, 40.0]], np.float32),
        scores=np.array([0.75, 0.5], np.float32),
        labels=np.array([1, 0]),
        names=np.array(["café, large", "cat"]),
        image_size_hw=(40, 60),
        masks=masks,
    )


@pytest.fixture
def found_kinds(found):
    """The first of the two is a kind of something."""
    return replace(found, parents=np.array(["drink", ""]))


@pytest.fixture
def image():
    return ImageRecord("photos/desk.jpg", image_id=7, stem="desk")


@pytest.fixture
def categories():
    return numbered_categories(Vocabulary.from_names(["cat", "café, large"]))
