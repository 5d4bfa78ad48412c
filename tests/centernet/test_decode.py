from dataclasses import replace

import pytest
import torch
from detectron2.config import get_cfg

from centernet.config import add_centernet_config
from centernet.decode import (
    DecodeParams,
    LevelPrediction,
    decode_in_graph,
    decode_proposals,
    keep_peaks,
    ltrb_to_xyxy,
)
from centernet.targets import compute_grids
from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in

PARAMS = DecodeParams(score_threshold=0.01, pre_nms_topk=100, post_nms_topk=100, nms_threshold=0.9)


def level(heat, ltrb=1.0, gate=None, stride=8):
    """One image, one channel; every cell predicts the same distances (in strides)."""
    heat = torch.tensor(heat)
    h, w = heat.shape
    grid = compute_grids([(h, w)], [stride], torch.device("cpu"))[0]
    gate = None if gate is None else torch.full((1, 1, h, w), gate)
    return LevelPrediction(
        heat[None, None], torch.full((1, 4, h, w), float(ltrb)), gate, grid, stride
    )


def test_decoding_inverts_the_distances():
    grid = torch.tensor([[10.0, 20.0]])
    box = torch.tensor([[3.0, 4.0, 30.0, 50.0]])
    ltrb = torch.cat([grid - box[:, :2], box[:, 2:] - grid], dim=1)
    torch.testing.assert_close(ltrb_to_xyxy(grid, ltrb), box)


def test_score_is_the_root_of_the_heat():
    (p,) = decode_proposals([level([[0.25, 0.0]])], [(16, 16)], PARAMS)
    torch.testing.assert_close(p.scores, torch.tensor([0.5]))
    torch.testing.assert_close(p.pred_boxes.tensor, torch.tensor([[-4.0, -4.0, 12.0, 12.0]]))


def test_threshold_is_strict_and_looks_at_the_heat_before_the_gate():
    (p,) = decode_proposals([level([[0.01, 0.5]], gate=0.001)], [(16, 16)], PARAMS)
    torch.testing.assert_close(p.scores, torch.tensor([(0.5 * 0.001) ** 0.5]))


def test_boxes_without_area_keep_a_hundredth_of_a_pixel():
    (p,) = decode_proposals([level([[0.5]], ltrb=0)], [(16, 16)], PARAMS)
    sides = p.pred_boxes.tensor[:, 2:] - p.pred_boxes.tensor[:, :2]
    torch.testing.assert_close(sides, torch.full((1, 2), 0.01))


def test_levels_compete_in_nms():
    levels = [level([[0.5]], ltrb=2, stride=8), level([[0.9]], ltrb=1, stride=16)]
    levels[1].grid_xy[:] = levels[0].grid_xy  # both predict the same box
    (p,) = decode_proposals(levels, [(32, 32)], PARAMS)
    torch.testing.assert_close(p.scores, torch.tensor([0.9**0.5]))


def test_topk_is_per_level_before_and_per_image_after_nms():
    heat = [[0.9, 0.8, 0.7, 0.6]]
    params = DecodeParams(0.01, pre_nms_topk=2, post_nms_topk=3, nms_threshold=0.9)
    (p,) = decode_proposals([level(heat), level(heat, stride=16)], [(64, 64)], params)
    # Two candidates per level, 0.9 and 0.8 on each; the third place is a tie, which stays.
    torch.testing.assert_close(p.scores.square(), torch.tensor([0.9, 0.9, 0.8, 0.8]))


def test_peaks_replace_nms():
    heat = torch.tensor([[[[0.1, 0.9, 0.2], [0.3, 0.4, 0.5]]]])
    assert keep_peaks(heat).nonzero().tolist() == [[0, 0, 0, 1]]
    params = DecodeParams(0.01, 100, 100, nms_threshold=0.9, peaks_only=True, sqrt_score=False)
    (p,) = decode_proposals([level([[0.1, 0.9, 0.2]])], [(16, 32)], params)
    assert p.scores.tolist() == [torch.tensor(0.9).item()]


def test_no_candidate_gives_empty_proposals():
    (p,) = decode_proposals([level([[0.0]])], [(16, 16)], PARAMS)
    assert len(p) == 0
    assert p.pred_boxes.tensor.shape == (0, 4)


def test_no_more_proposals_than_asked_for_without_ties():
    params = DecodeParams(0.01, pre_nms_topk=100, post_nms_topk=2, nms_threshold=0.9)
    (p,) = decode_proposals([level([[0.9, 0.6, 0.7, 0.8]])], [(8, 32)], params)
    torch.testing.assert_close(p.scores.square(), torch.tensor([0.9, 0.8]))


@pytest.mark.parametrize(
    "params",
    [
        DecodeParams(0.01, 100, 100, nms_threshold=0.0),
        DecodeParams(0.01, 100, 100, nms_threshold=0.9, peaks_only=True),
    ],
)
def test_without_nms_all_candidates_stay_best_first(params):
    levels = [level([[0.5]], stride=8), level([[0.8]], stride=8)]  # the same box twice
    (p,) = decode_proposals(levels, [(8, 8)], params)
    torch.testing.assert_close(p.scores.square(), torch.tensor([0.8, 0.5]))


def test_classes_do_not_suppress_each_other():
    one = level([[0.5]])
    both = replace(one, heat=torch.tensor([0.5, 0.8]).view(1, 2, 1, 1))
    (p,) = decode_proposals([both], [(8, 8)], PARAMS)
    assert p.pred_classes.tolist() == [1, 0]


def test_training_and_test_have_their_own_numbers():
    cfg = get_cfg()
    add_centernet_config(cfg)
    cfg.MODEL.CENTERNET.POST_NMS_TOPK_TRAIN = 7
    cfg.MODEL.CENTERNET.NMS_TH_TEST = 0.3
    train, test = (DecodeParams.from_config(cfg, mode) for mode in ("TRAIN", "TEST"))
    assert (train.post_nms_topk, test.post_nms_topk) == (7, 100)
    assert (train.nms_threshold, test.nms_threshold) == (0.6, 0.3)
    cfg.MODEL.CENTERNET.NOT_NMS = True
    assert not DecodeParams.from_config(cfg, "TEST").apply_nms


def random_levels(num_images, num_classes, device):
    """Levels with more candidates than are kept, with fewer, and some with equal heat."""
    generator = torch.Generator().manual_seed(num_images)
    levels = []
    for stride in (8, 16, 32):
        side = 256 // stride
        shape = (num_images, num_classes, side, side)
        heat = (torch.rand(shape, generator=generator) * 50).round() / 50
        ltrb = torch.rand(num_images, 4, side, side, generator=generator) * 5
        gate = torch.rand(num_images, 1, side, side, generator=generator)
        grid = compute_grids([(side, side)], [stride], torch.device("cpu"))[0]
        tensors = [tensor.to(device) for tensor in (heat, ltrb, gate, grid)]
        levels.append(LevelPrediction(*tensors, stride))
    return levels


def columns(proposals):
    return [(p.pred_boxes.tensor.cpu(), p.scores.cpu(), p.pred_classes.cpu()) for p in proposals]


@pytest.mark.parametrize("num_classes", [1, 3])
def test_images_of_a_batch_do_not_meet(num_classes):
    params = DecodeParams(0.3, pre_nms_topk=200, post_nms_topk=30, nms_threshold=0.5)
    levels = random_levels(3, num_classes, "cpu")
    together = columns(decode_proposals(levels, [(256, 256)] * 3, params))
    for i, expected in enumerate(together):
        alone = [
            replace(x, heat=x.heat[i : i + 1], ltrb=x.ltrb[i : i + 1], gate=x.gate[i : i + 1])
            for x in levels
        ]
        (found,) = columns(decode_proposals(alone, [(256, 256)], params))
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@needs_stand_in
@pytest.mark.parametrize("nms_threshold", [0.0, 0.5])
@pytest.mark.parametrize("score_threshold", [0.3, 0.99, 2.0])
def test_a_device_finds_the_same_and_is_waited_for_twice(nms_threshold, score_threshold):
    params = DecodeParams(score_threshold, 200, 30, nms_threshold)
    sizes = [(256, 256)] * 3
    expected = columns(decode_proposals(random_levels(3, 2, "cpu"), sizes, params))
    with StandInDevice() as device:
        levels = random_levels(3, 2, DEVICE)
        found = decode_proposals(levels, sizes, params)
        assert device.waits.total() <= 2
        found = columns(found)
    for a, b in zip(found, expected, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("count", [3, 40], ids=["fewer than there are", "more than there are"])
@pytest.mark.parametrize("nms_threshold", [0.5, 0.0], ids=["NMS", "no NMS"])
def test_in_a_graph_proposals_are_the_same_and_always_as_many(monkeypatch, nms_threshold, count):
    torch.manual_seed(0)
    levels = [
        level(torch.rand(4, 4).tolist(), 3.0, stride=8),
        level([[0.7, 0.001]], 2.0, stride=16),
    ]
    params = replace(PARAMS, nms_threshold=nms_threshold, post_nms_topk=count)
    (expected,) = decode_proposals(levels, [(32, 32)], params)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    boxes, scores = decode_in_graph(levels, params)
    found = len(expected)
    assert len(boxes) == len(scores) == count >= found > 2
    torch.testing.assert_close(scores[:found], expected.scores)
    torch.testing.assert_close(boxes[:found], expected.pred_boxes.tensor)
    assert not scores[found:].any()
    assert not boxes[found:].any()
