"""How much boxes count that were matched with a detector's finds, or lie in ignore regions."""

import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, Instances

from detic.modeling.roi_heads.box_weights import box_weights, outside_ignore_regions

MATCHER = Matcher([0.5], [0, 1])
BACKGROUND = 7
OBJECT, NEAR, FAR, HALF_OUT, MOSTLY_OUT = (
    [0, 0, 10, 10],
    [0, 0, 10, 8],
    [50, 50, 60, 60],
    [55, 50, 65, 60],
    [56, 50, 66, 60],
)
IGNORED = torch.tensor([[50.0, 50.0, 60.0, 60.0]])


def boxes(corners):
    return Boxes(torch.tensor(corners, dtype=torch.float32).reshape(-1, 4))


def truth(*corners, **fields):
    return Instances((99, 99), gt_boxes=boxes(corners), **fields)


def labelled(*corners, classes):
    """Return the proposals of an image with their classes."""
    classes = torch.tensor(classes)
    return Instances((99, 99), proposal_boxes=boxes(corners), gt_classes=classes)


def test_without_scores_and_ignore_regions_there_are_no_weights():
    found = [labelled(NEAR, classes=[0])]
    assert box_weights(found, [truth(OBJECT)], None, MATCHER, BACKGROUND) is None


def test_foreground_weighs_what_its_object_scores_and_background_one():
    objects = [truth(FAR, OBJECT, gt_score=torch.tensor([0.25, 0.5]))]
    found = [labelled(NEAR, FAR, [30, 30, 40, 40], classes=[0, 0, BACKGROUND])]
    weights = box_weights(found, objects, None, MATCHER, BACKGROUND)
    assert weights.tolist() == [0.5, 0.25, 1.0]


def test_background_half_inside_an_ignore_region_weighs_nothing():
    found = [labelled(FAR, HALF_OUT, MOSTLY_OUT, FAR, classes=[BACKGROUND] * 3 + [0])]
    weights = box_weights(found, [truth(FAR)], [IGNORED], MATCHER, BACKGROUND)
    assert weights.tolist() == [0.0, 0.0, 1.0, 1.0]


def test_images_of_a_batch_are_told_apart():
    found = [labelled(FAR, classes=[BACKGROUND])] * 2
    objects = [truth(), truth(gt_score=torch.zeros(0))]
    weights = box_weights(found, objects, [torch.zeros(0, 4), IGNORED], MATCHER, BACKGROUND)
    assert weights.tolist() == [1.0, 0.0]


def test_ignored_proposals_go_before_they_are_sampled_unless_an_object_has_them():
    given = [labelled(NEAR, FAR, MOSTLY_OUT, classes=[0, 1, 2])]
    (kept,) = outside_ignore_regions(given, [truth(OBJECT)], [IGNORED], MATCHER)
    assert kept.gt_classes.tolist() == [0, 2]
    (kept,) = outside_ignore_regions(given, [truth(FAR)], [IGNORED], MATCHER)
    assert kept.gt_classes.tolist() == [0, 1, 2]
    (kept,) = outside_ignore_regions(given, [truth()], [IGNORED], MATCHER)
    assert kept.gt_classes.tolist() == [0, 2]
