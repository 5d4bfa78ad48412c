import pytest
import torch
from torchvision.ops import nms

from centernet import image_nms
from centernet.image_nms import nms_of_images
from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in


def kept(boxes, threshold=0.5, classes=None, is_box=None):
    """Survivors of one image."""
    boxes = torch.as_tensor(boxes, dtype=torch.float32)
    one = torch.ones(1, len(boxes), dtype=torch.bool)
    classes = torch.zeros_like(one) if classes is None else torch.tensor([classes])
    is_box = one if is_box is None else torch.tensor([is_box])
    return nms_of_images(boxes[None], classes, is_box, threshold)[0].tolist()


def crowd(num_images=4, num_boxes=150):
    """Boxes in clusters, some of them equal, and how many of each image are boxes."""
    generator = torch.Generator().manual_seed(0)
    centers = torch.randint(0, 8, (num_images, num_boxes, 2), generator=generator) * 12.0
    shifts = torch.randint(-3, 4, (num_images, num_boxes, 4), generator=generator)
    boxes = torch.cat([centers - 10, centers + 10], dim=2) + shifts
    counts = torch.tensor([num_boxes, 0, 1, num_boxes // 2])[:num_images]
    return boxes, torch.arange(num_boxes) < counts[:, None]


def of_torchvision(boxes, is_box, threshold):
    expected = torch.zeros_like(is_box)
    for row, of_image, count in zip(expected, boxes.double(), is_box.sum(1).tolist(), strict=True):
        by_rank = torch.arange(count, 0, -1).double()
        row[nms(of_image[:count], by_rank, threshold)] = True
    return expected


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8])
def test_survivors_are_those_of_torchvision_image_by_image(threshold):
    boxes, is_box = crowd()
    found = nms_of_images(boxes, torch.zeros_like(is_box), is_box, threshold)
    assert torch.equal(found, of_torchvision(boxes, is_box, threshold))
    assert 1 < found[0].sum() < 150


@pytest.mark.parametrize(
    "bound", [("_PAIRS_OF_A_MATRIX", 1), ("_PAIRS_AT_ONCE", 2000), ("_ROUNDS", 1)]
)
def test_bounds_of_memory_and_of_rounds_change_nothing(bound, monkeypatch):
    boxes, is_box = crowd()
    expected = nms_of_images(boxes, torch.zeros_like(is_box), is_box, 0.5)
    monkeypatch.setattr(image_nms, *bound)
    assert torch.equal(nms_of_images(boxes, torch.zeros_like(is_box), is_box, 0.5), expected)


def test_a_chain_longer_than_the_rounds_loses_every_other_box():
    # Neighbours overlap by 8/12, those after them by 6/14.
    chain = [[2 * i, 0, 2 * i + 10, 10] for i in range(50)]
    assert kept(chain) == [True, False] * 25


def test_overlap_of_just_the_threshold_is_allowed():
    assert kept([[0, 0, 10, 10], [0, 0, 10, 5]], threshold=0.5) == [True, True]
    assert kept([[0, 0, 10, 10], [0, 0, 10, 5]], threshold=0.49) == [True, False]


def test_boxes_apart_in_both_directions_do_not_overlap():
    assert kept([[0, 0, 2, 2], [50, 50, 52, 52]]) == [True, True]


def test_classes_do_not_meet():
    assert kept([[0, 0, 9, 9]] * 4, classes=[1, 2, 1, 2]) == [True, True, False, False]


def test_what_is_no_box_drops_nothing_and_does_not_stay():
    assert kept([[0, 0, 9, 9]] * 3, is_box=[False, True, True]) == [False, True, False]


def test_images_without_boxes_keep_none():
    assert kept(torch.zeros(0, 4)) == []


@needs_stand_in
@pytest.mark.parametrize("num_images", [1, 4])
def test_a_device_is_waited_for_once_however_many_images_there_are(num_images):
    boxes, is_box = crowd(num_images)
    expected = of_torchvision(boxes, is_box, 0.5)
    with StandInDevice() as device:
        is_box = is_box.to(DEVICE)
        found = nms_of_images(boxes.to(DEVICE), torch.zeros_like(is_box), is_box, 0.5)
        assert device.waits.total() == 1, device.waits
        assert torch.equal(found.cpu(), expected)
