import pytest
import torch
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling.proposal_generator import RPN
from detectron2.structures import ImageList

from detic.errors import InputError
from detic.export.program import as_in_a_graph
from detic.export.proposals import propose

IMAGES = ImageList(torch.zeros(1, 3, 96, 128), [(90, 120)])


def rpn(count):
    cfg = get_cfg()
    cfg.MODEL.RPN.IN_FEATURES = ["c3", "c4"]
    cfg.MODEL.RPN.PRE_NMS_TOPK_TEST = 500  # less than the fine level has, more than the other
    cfg.MODEL.RPN.POST_NMS_TOPK_TEST = count
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[16, 32], [64, 128]]
    torch.manual_seed(0)
    shapes = {"c3": ShapeSpec(channels=8, stride=8), "c4": ShapeSpec(channels=8, stride=16)}
    generator = RPN(cfg, shapes).eval()
    for parameter in generator.rpn_head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return generator


@pytest.mark.parametrize("count", [20, 2000], ids=["fewer than there are", "more than there are"])
def test_proposals_of_an_rpn_are_the_same_and_always_as_many(count):
    generator = rpn(count)
    features = {"c3": torch.randn(1, 8, 12, 16), "c4": torch.randn(1, 8, 6, 8)}
    with torch.no_grad():
        (expected,), _ = generator(IMAGES, features, None)
        with as_in_a_graph():
            found = propose(generator, IMAGES, features)
    number = len(expected)
    assert len(found) == count >= number >= 20
    boxes = found.proposal_boxes.tensor
    torch.testing.assert_close(boxes[:number], expected.proposal_boxes.tensor)
    torch.testing.assert_close(found.objectness_logits[:number], expected.objectness_logits)
    assert not boxes[number:].any()


def test_other_proposal_generators_are_refused():
    class Other:
        in_features = ()

    with pytest.raises(InputError, match="proposals of Other cannot be exported"):
        propose(Other(), IMAGES, {})
