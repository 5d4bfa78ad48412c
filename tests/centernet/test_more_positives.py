import pytest
import torch
from detectron2.structures import Boxes, Instances

from centernet.losses import linear_iou_loss
from centernet.more_positives import MorePositivesParams, well_regressed_cells
from centernet.targets import TargetParams

TARGETS = TargetParams(strides_px=(8,), size_ranges_px=((0, 1000),))
SHAPES = torch.tensor([[4, 4]])
BOX = (2.0, 2.0, 22.0, 22.0)


def cells(pred, max_loss, topk, box=BOX, shapes=SHAPES):
    gt = [Instances((32, 32), gt_boxes=Boxes(torch.tensor([box])), gt_classes=torch.tensor([6]))]
    inds, labels = well_regressed_cells(
        pred, gt, shapes, TARGETS, MorePositivesParams(max_loss, topk), linear_iou_loss
    )
    assert (labels == 6).all()
    return inds.tolist()


def test_badly_regressed_neighbours_leave_the_centre():
    assert cells(torch.zeros(16, 4), max_loss=0.01, topk=9) == [5]


def test_well_regressed_neighbour_joins_the_centre():
    pred = torch.zeros(16, 4)
    pred[6] = torch.tensor([18.0, 10.0, 2.0, 10.0]) / 8  # exactly the box, seen from (20, 12)
    assert cells(pred, max_loss=0.2, topk=9) == [5, 6]


def test_topk_bounds_the_neighbours_strictly():
    pred = torch.zeros(16, 4)
    pred[6] = torch.tensor([18.0, 10.0, 2.0, 10.0]) / 8
    pred[4] = torch.tensor([2.0, 10.0, 16.0, 10.0]) / 8  # almost the box, seen from (4, 12)
    # The second best loss is 0, a tie with the best: nothing lies strictly below it.
    assert cells(pred, max_loss=0.2, topk=2) == []
    assert cells(pred, max_loss=0.2, topk=3) == [5, 6]


def test_image_without_objects_has_none():
    empty = [
        Instances(
            (32, 32),
            gt_boxes=Boxes(torch.zeros(0, 4)),
            gt_classes=torch.zeros(0, dtype=torch.int64),
        )
    ]
    inds, labels = well_regressed_cells(
        torch.zeros(16, 4), empty, SHAPES, TARGETS, MorePositivesParams(0.2, 9), linear_iou_loss
    )
    assert len(inds) == len(labels) == 0


def test_neighbour_on_the_border_of_the_box_may_join():
    pred = torch.zeros(16, 4)
    pred[4] = torch.tensor([0.0, 8.0, 16.0, 8.0]) / 8  # exactly the box, seen from (4, 12)
    assert cells(pred, max_loss=0.2, topk=9, box=(4.0, 4.0, 20.0, 20.0)) == [4, 5]


@pytest.mark.parametrize(
    ("box", "cell"),
    [((0.0, 0.0, 10.0, 10.0), 0), ((20.0, 20.0, 40.0, 40.0), 15)],  # in corners of the map
)
def test_neighbours_outside_the_map_do_not_count(box, cell):
    assert cells(torch.zeros(16, 4), max_loss=0.01, topk=9, box=box) == [cell]


def test_maps_may_be_wider_than_high():
    box = (42.0, 2.0, 62.0, 14.0)  # centre (52, 8): column 6, row 1 of 2 x 8 cells
    wide = torch.tensor([[2, 8]])
    assert cells(torch.zeros(16, 4), max_loss=0.01, topk=9, box=box, shapes=wide) == [14]


def test_object_whose_centre_lies_outside_the_map_has_none():
    assert cells(torch.zeros(16, 4), max_loss=0.01, topk=9, box=(30.0, 4.0, 50.0, 12.0)) == []
