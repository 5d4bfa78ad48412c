"""Images of test sets as a model in training sees them."""

import numpy as np
import pytest
import torch
from detectron2.data import MetadataCatalog
from detectron2.structures import Boxes, Instances

from detic.engine.shown_images import ShownImages, as_bgr

BLUE_IN_RGB = (0, 0, 255)


@pytest.fixture
def dataset():
    MetadataCatalog.get("shown_pets").set(thing_classes=["cat", "dog"])
    yield "shown_pets"
    MetadataCatalog.remove("shown_pets")


def blue_image(height, width):
    """A record whose image, half as large as its file, is blue in the order RGB."""
    pixels = torch.tensor(BLUE_IN_RGB, dtype=torch.uint8)[:, None, None]
    return {
        "image": pixels.expand(3, height // 2, width // 2),
        "height": height,
        "width": width,
    }


def one_box(height, width, score):
    instances = Instances((height, width))
    instances.pred_boxes = Boxes(torch.tensor([[40.0, 40.0, 80.0, 80.0]]))
    instances.scores = torch.tensor([score])
    instances.pred_classes = torch.tensor([1])
    return {"instances": instances}


def drawings(dataset, score, count=4, num_images=1):
    shown = ShownImages(count, "RGB")
    images = [blue_image(100, 200)] * num_images
    shown.look(dataset, images, [one_box(100, 200, score)] * num_images)
    return list(shown)


def test_an_image_without_sure_detections_is_drawn_as_it_is(dataset):
    [(name, drawing)] = drawings(dataset, score=0.1)
    assert name == "shown_pets/0"
    assert drawing.shape == (300, 600, 3)  # enlarged three times
    np.testing.assert_array_equal(np.unique(drawing.reshape(-1, 3), axis=0), [BLUE_IN_RGB])


def test_sure_detections_are_drawn(dataset):
    [(_, drawing)] = drawings(dataset, score=0.9)
    changed = (drawing != BLUE_IN_RGB).any(axis=-1)
    assert changed[120:240, 119:122].any()  # the left side of the box
    assert not changed[:, 300:].any()


def test_no_more_images_of_a_set_are_drawn_than_asked_for(dataset):
    shown = ShownImages(3, "RGB")
    for _ in range(2):
        shown.look(dataset, [blue_image(10, 10)] * 2, [one_box(10, 10, 0.1)] * 2)
    assert [name for name, _ in shown] == [f"shown_pets/{i}" for i in range(3)]
    assert drawings(dataset, score=0.9, count=0) == []


def test_large_images_are_reduced(dataset):
    shown = ShownImages(1, "RGB")
    shown.look(dataset, [blue_image(640, 1280)], [one_box(640, 1280, 0.9)])
    [(_, drawing)] = shown
    assert drawing.shape == (320, 640, 3)


def test_channels_come_in_the_order_of_drawings():
    image = torch.tensor([1.0, 2.0, 300.0])[:, None, None]
    assert as_bgr(image, "BGR").tolist() == [[[1, 2, 255]]]
    assert as_bgr(image, "RGB").tolist() == [[[255, 2, 1]]]
