"""Masks of detections, group by group."""

import pytest
import torch
from detectron2.structures import Boxes, Instances

from detic.modeling import build_detector
from detic.modeling.roi_heads.mask_prediction import add_masks
from tests.detic.modeling.conftest import SIDE
from tests.detic.modeling.roi_heads.test_cascade import RECIPE, WHOLE

RES5 = [
    *("MODEL.RESNETS.RES2_OUT_CHANNELS", "16", "MODEL.RESNETS.WIDTH_PER_GROUP", "4"),
    *("MODEL.MASK_ON", "True"),
]


@pytest.fixture(
    params=[(RECIPE, WHOLE), ("Detic_OVCOCO_CLIP_R50_1x_max-size", RES5)], ids=["cascade", "res5"]
)
def heads(request, small_recipe):
    torch.manual_seed(0)
    name, overrides = request.param
    return build_detector(small_recipe(name, *overrides)).roi_heads.eval()


def detections(*counts):
    generator = torch.Generator().manual_seed(0)
    found = []
    for count in counts:
        corners = torch.rand(count, 2, generator=generator) * 40
        boxes = Boxes(torch.cat([corners, corners + 40], dim=1))
        classes = torch.zeros(count, dtype=torch.int64)
        found.append(Instances((SIDE, SIDE), pred_boxes=boxes, pred_classes=classes))
    return found


def features(num_images):
    torch.manual_seed(1)
    maps = {f"p{k}": torch.randn(num_images, 64, SIDE >> k, SIDE >> k) for k in (3, 4, 5)}
    return maps | {"res4": torch.randn(num_images, 64, 6, 6)}


@pytest.mark.parametrize("counts", [(0,), (1,), (16,), (17, 0, 30)])
@torch.no_grad()
def test_groups_have_the_masks_of_all_boxes_at_once(heads, counts):
    maps = features(len(counts))
    expected = heads.forward_with_given_boxes(maps, detections(*counts))
    found = add_masks(heads, maps, detections(*counts))
    for one, other in zip(found, expected, strict=True):
        assert one.pred_masks.shape == other.pred_masks.shape
        torch.testing.assert_close(one.pred_masks, other.pred_masks)


@torch.no_grad()
def test_few_boxes_are_in_memory_at_a_time(heads):
    sizes = []
    heads.mask_head.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    add_masks(heads, features(2), detections(17, 30))
    assert sizes == [16, 31]


def test_heads_without_masks_add_none(small_recipe):
    heads = build_detector(small_recipe(RECIPE, *WHOLE, "MODEL.MASK_ON", "False")).roi_heads
    (found,) = add_masks(heads.eval(), features(1), detections(2))
    assert not found.has("pred_masks")
