import pytest
import torch
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling.proposal_generator import RPN, StandardRPNHead, build_proposal_generator
from detectron2.structures import Boxes, ImageList, Instances

IMAGE_SIZE_HW = (32, 48)
STRIDES = {"p3": 8, "p4": 16}


def make_rpn(**rpn_keys) -> RPN:
    torch.manual_seed(0)
    cfg = get_cfg()
    cfg.MODEL.RPN.IN_FEATURES = list(STRIDES)
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[8], [16]]
    for key, value in rpn_keys.items():
        cfg.MODEL.RPN[key] = value
    shapes = {name: ShapeSpec(channels=4, stride=stride) for name, stride in STRIDES.items()}
    return build_proposal_generator(cfg, shapes)


def make_inputs(batch: int = 1):
    height, width = IMAGE_SIZE_HW
    images = ImageList(torch.zeros(batch, 3, height, width), [IMAGE_SIZE_HW] * batch)
    generator = torch.Generator().manual_seed(0)
    features = {
        name: torch.randn(batch, 4, height // stride, width // stride, generator=generator)
        for name, stride in STRIDES.items()
    }
    return images, features


def objects(*boxes: list[float]) -> Instances:
    return Instances(IMAGE_SIZE_HW, gt_boxes=Boxes(torch.tensor(boxes).reshape(-1, 4)))


def test_head_shares_its_weights_between_levels():
    head = StandardRPNHead(in_channels=4, num_anchors=3)
    logits, deltas = head([torch.zeros(1, 4, 5, 6), torch.zeros(1, 4, 2, 3)])
    assert [x.shape for x in logits] == [(1, 3, 5, 6), (1, 3, 2, 3)]
    assert [x.shape for x in deltas] == [(1, 12, 5, 6), (1, 12, 2, 3)]
    names = {name.rsplit(".", 1)[0] for name in head.state_dict()}
    assert names == {"conv", "objectness_logits", "anchor_deltas"}


def test_proposal_follows_the_anchor_of_its_prediction():
    """One logit stands out: level 1, cell (row 1, column 2), second of three shapes."""
    rpn = make_rpn().eval()
    images, features = make_inputs()
    logits = [torch.zeros(1, 3, 4, 6), torch.zeros(1, 3, 2, 3)]
    deltas = [torch.zeros(1, 12, 4, 6), torch.zeros(1, 12, 2, 3)]
    logits[1][0, 1, 1, 2] = 5.0
    deltas[1][0, 4:6, 1, 2] = torch.tensor([-0.5, 0.25])  # dx, dy of the second shape
    rpn.rpn_head.forward = lambda maps: (logits, deltas)
    (proposals,), losses = rpn(images, features)
    # The square of side 16 around (32, 16), moved by (-8, 4).
    assert proposals.proposal_boxes.tensor[0].tolist() == [16, 12, 32, 28]
    assert float(proposals.objectness_logits[0]) == 5
    assert losses == {}


def test_losses_need_ground_truth_and_carry_gradients():
    rpn = make_rpn(POST_NMS_TOPK_TRAIN=7)
    images, features = make_inputs(batch=2)
    gt = [objects([0.0, 0.0, 16.0, 16.0]), objects()]
    proposals, losses = rpn(images, features, gt)
    assert set(losses) == {"loss_rpn_cls", "loss_rpn_loc"}
    assert [len(p) for p in proposals] == [7, 7]
    assert not proposals[0].proposal_boxes.tensor.requires_grad
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in rpn.parameters())


def test_loss_is_a_mean_over_the_wanted_number_of_anchors():
    """With logits 0 each of the 10 sampled anchors costs ln 2, of 10 that were asked for."""
    rpn = make_rpn(BATCH_SIZE_PER_IMAGE=10)
    anchors = rpn.anchor_generator(list(make_inputs()[1].values()))
    gt_labels, gt_boxes = rpn.label_and_sample_anchors(anchors, [objects([0.0, 0, 16, 16])])
    counts = [len(level) for level in anchors]
    logits = [torch.zeros(1, n) for n in counts]
    deltas = [torch.zeros(1, n, 4) for n in counts]
    losses = rpn.losses(anchors, logits, gt_labels, deltas, gt_boxes)
    assert float(losses["loss_rpn_cls"]) == pytest.approx(0.693147, rel=1e-5)
    half = make_rpn(BATCH_SIZE_PER_IMAGE=10, LOSS_WEIGHT=0.5, BBOX_REG_LOSS_WEIGHT=3.0)
    weighted = half.losses(anchors, logits, gt_labels, deltas, gt_boxes)
    ratios = {name: float(weighted[name] / loss) for name, loss in losses.items() if loss > 0}
    assert ratios["loss_rpn_cls"] == pytest.approx(0.5)
    assert ratios.get("loss_rpn_loc", 1.5) == pytest.approx(1.5)


def test_labels_are_sampled_and_targets_are_the_matched_boxes():
    rpn = make_rpn(BATCH_SIZE_PER_IMAGE=6)
    anchors = rpn.anchor_generator(list(make_inputs()[1].values()))
    box = [0.0, 0.0, 16.0, 16.0]
    (labels,), (targets,) = rpn.label_and_sample_anchors(anchors, [objects(box)])
    assert len(labels) == 3 * (4 * 6 + 2 * 3)
    assert int((labels >= 0).sum()) == 6
    assert 1 <= int((labels == 1).sum()) <= 3
    assert targets[labels == 1].tolist() == [box] * int((labels == 1).sum())


def test_image_without_objects_trains_on_negatives_only():
    rpn = make_rpn()
    anchors = rpn.anchor_generator(list(make_inputs()[1].values()))
    (labels,), (targets,) = rpn.label_and_sample_anchors(anchors, [objects()])
    assert set(labels.tolist()) == {0}
    assert float(targets.abs().sum()) == 0


def test_anchors_outside_the_image_do_not_train_with_a_boundary():
    rpn = make_rpn(BOUNDARY_THRESH=0)
    anchors = rpn.anchor_generator(list(make_inputs()[1].values()))
    (labels,), _ = rpn.label_and_sample_anchors(anchors, [objects()])
    inside = Boxes.cat(anchors).inside_box(IMAGE_SIZE_HW, 0)
    assert torch.equal(labels >= 0, inside)


def test_levels_of_different_width_are_refused():
    cfg = get_cfg()
    cfg.MODEL.RPN.IN_FEATURES = ["a", "b"]
    shapes = {"a": ShapeSpec(channels=4, stride=8), "b": ShapeSpec(channels=8, stride=16)}
    with pytest.raises(ValueError, match=r"got \[4, 8\] channels"):
        build_proposal_generator(cfg, shapes)
