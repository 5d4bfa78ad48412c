import torch
from detectron2.structures import Boxes, Instances

from detic.modeling.roi_heads.weak_proposals import (
    WeakProposalParams,
    centered_box,
    weak_proposals,
)


def proposals():
    boxes = torch.tensor([[-5.0, 10.0, 30.0, 40.0], [0.0, 0.0, 50.0, 50.0], [1.0, 1.0, 2.0, 2.0]])
    return Instances(
        (40, 60), proposal_boxes=Boxes(boxes), objectness_logits=torch.tensor([0.9, 0.8, 0.7])
    )


def test_first_proposals_are_clipped_to_the_image():
    given = proposals()
    (found,) = weak_proposals([given], WeakProposalParams(num_proposals=2))
    assert found.proposal_boxes.tensor.tolist() == [[0, 10, 30, 40], [0, 0, 50, 40]]
    assert given.proposal_boxes.tensor[0, 0] == -5


def test_image_box_comes_last_with_objectness_one():
    (found,) = weak_proposals([proposals()], WeakProposalParams(1, add_image_box=True))
    assert found.proposal_boxes.tensor[-1].tolist() == [0, 0, 60, 40]
    assert found.objectness_logits.tolist() == [torch.tensor(0.9).item(), 1.0]


def test_smaller_image_box_stays_centred():
    assert centered_box((40, 60), 0.5).tensor.tolist() == [[15, 10, 45, 30]]
