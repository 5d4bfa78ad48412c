import torch
from detectron2.structures import BitMasks, Boxes, Instances, PolygonMasks

from detic.transfer import Fetched, send_instances
from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in

TRIANGLE = [0.0, 0.0, 4.0, 0.0, 0.0, 4.0]


def instances():
    return Instances(
        (4, 6),
        gt_boxes=Boxes(torch.tensor([[0.0, 1.0, 2.0, 3.0]])),
        gt_classes=torch.tensor([5]),
        bitmaps=BitMasks(torch.ones(1, 4, 6, dtype=torch.bool)),
        gt_masks=PolygonMasks([[TRIANGLE]]),
    )


@needs_stand_in
def test_instances_go_to_the_device_and_come_back_without_waiting():
    with StandInDevice() as device:
        there = send_instances(instances(), DEVICE)
        assert {there.gt_boxes.device, there.gt_classes.device, there.bitmaps.device} == {DEVICE}
        back = Fetched(there).get()
        assert device.waits.total() == device.uploads.total() == 0
    assert back.image_size == (4, 6)
    assert back.gt_boxes.tensor.tolist() == [[0, 1, 2, 3]]
    assert back.gt_classes.tolist() == [5]
    assert back.bitmaps.tensor.all()
    assert len(back.gt_masks) == 1


def test_what_is_on_the_cpu_stays_there():
    tensor = torch.ones(2)
    assert Fetched(tensor).get() is tensor
    assert send_instances(instances(), torch.device("cpu")).gt_classes.tolist() == [5]
