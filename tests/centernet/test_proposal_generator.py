import pytest
import torch
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling.proposal_generator import build_proposal_generator
from detectron2.structures import Boxes, ImageList, Instances

from centernet.config import add_centernet_config

STRIDES = (8, 16, 32, 64, 128)


def config(*overrides):
    cfg = get_cfg()
    add_centernet_config(cfg)
    cfg.merge_from_list(
        [
            "MODEL.PROPOSAL_GENERATOR.NAME",
            "CenterNet",
            "MODEL.CENTERNET.ONLY_PROPOSAL",
            True,
            "MODEL.CENTERNET.WITH_AGN_HM",
            True,
            *overrides,
        ]
    )
    return cfg


def build(*overrides):
    torch.manual_seed(0)
    shapes = {f"p{level}": ShapeSpec(channels=32, stride=2**level) for level in range(3, 8)}
    return build_proposal_generator(config(*overrides), shapes)


def features(batch=2, side=64):
    generator = torch.Generator().manual_seed(1)
    return {
        f"p{i + 3}": torch.randn(batch, 32, -(-side // s), -(-side // s), generator=generator)
        for i, s in enumerate(STRIDES)
    }


def images(batch=2, side=64):
    return ImageList(torch.zeros(batch, 3, side, side), [(side, side)] * batch)


def ground_truth(boxes):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Instances(
        (64, 64), gt_boxes=Boxes(boxes), gt_classes=torch.zeros(len(boxes), dtype=torch.int64)
    )


GT = [ground_truth([[4, 4, 40, 40], [30, 30, 60, 50]]), ground_truth([])]


def test_training_returns_losses_and_bare_proposals():
    proposals, losses = build().train()(images(), features(), GT)
    assert set(losses) == {"loss_centernet_loc", "loss_centernet_agn_pos", "loss_centernet_agn_neg"}
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert set(proposals[0].get_fields()) == {"proposal_boxes", "objectness_logits"}


def test_objectness_is_a_sorted_score_between_zero_and_one():
    proposals, losses = build("MODEL.CENTERNET.INFERENCE_TH", 1e-4).eval()(images(), features())
    scores = proposals[0].objectness_logits
    assert losses == {}
    assert len(scores) > 1
    assert (scores[:-1] >= scores[1:]).all()
    assert ((scores > 0) & (scores < 1)).all()
    assert proposals[0].has("pred_classes")


def test_images_without_objects_train_the_heat_map_only():
    _, losses = build().train()(images(), features(), [GT[1], GT[1]])
    assert losses["loss_centernet_loc"] == 0
    assert losses["loss_centernet_agn_pos"] == 0
    assert losses["loss_centernet_agn_neg"] > 0


def test_shared_counts_scale_the_losses():
    model = build().train()
    counts = model.count_targets(GT, (64, 64))
    _, own = model(images(), features(), GT)
    _, shared = model(images(), features(), GT, 2 * counts)
    for name in own:
        torch.testing.assert_close(shared[name], own[name] / 2)


def test_class_heatmaps_add_their_losses():
    model = build("MODEL.CENTERNET.ONLY_PROPOSAL", False, "MODEL.CENTERNET.NUM_CLASSES", 5).train()
    _, losses = model(images(), features(), GT)
    assert {"loss_centernet_pos", "loss_centernet_neg"} <= set(losses)


def test_weighing_boxes_by_heat_changes_the_box_loss_only():
    _, plain = build().train()(images(), features(), GT)
    _, weighted = build("MODEL.CENTERNET.NOT_NORM_REG", False).train()(images(), features(), GT)
    assert weighted["loss_centernet_loc"] != plain["loss_centernet_loc"]
    assert weighted["loss_centernet_agn_pos"] == plain["loss_centernet_agn_pos"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("MODEL.CENTERNET.USE_DEFORMABLE", True, "needs a compiled operator"),
        ("MODEL.CENTERNET.LOC_LOSS_TYPE", "diou", "choose one of iou, linear_iou, giou"),
        ("MODEL.CENTERNET.WITH_AGN_HM", False, "needs WITH_AGN_HM"),
    ],
)
def test_impossible_settings_are_refused(key, value, message):
    with pytest.raises(ValueError, match=message):
        build(key, value)


def test_counts_are_those_of_the_maps_of_images_that_no_stride_divides():
    model = build().train()
    truth = [ground_truth([[36, 36, 62, 62]]), GT[1]]  # regressed by the last row and column too
    counts = model.count_targets(truth, (60, 60))
    _, own = model(images(side=60), features(side=60), truth)
    _, shared = model(images(side=60), features(side=60), truth, counts)
    assert own == shared


def test_class_heat_maps_are_taught_the_classes():
    model = build("MODEL.CENTERNET.ONLY_PROPOSAL", False, "MODEL.CENTERNET.NUM_CLASSES", 5).train()
    torch.nn.init.zeros_(model.centernet_head.cls_logits.weight)
    bias = torch.nn.init.zeros_(model.centernet_head.cls_logits.bias)
    _, losses = model(images(), features(), GT)  # all objects are of class 0
    (pos,) = torch.autograd.grad(losses["loss_centernet_pos"], bias, retain_graph=True)
    (neg,) = torch.autograd.grad(losses["loss_centernet_neg"], bias)
    assert pos[0] < 0
    assert (pos[1:] == 0).all()
    assert (neg[0] < neg[1:]).all()  # softened around the objects, for their class alone


def test_training_and_inference_propose_as_many_as_each_is_told():
    low = ["MODEL.CENTERNET.INFERENCE_TH", 1e-6, "MODEL.CENTERNET.NOT_NMS", True]
    model = build(
        *low,
        *("MODEL.CENTERNET.POST_NMS_TOPK_TRAIN", 3, "MODEL.CENTERNET.POST_NMS_TOPK_TEST", 5),
    )
    in_training, _ = model.train()(images(), features(), GT)
    at_test_time, _ = model.eval()(images(), features())
    assert [len(p) for p in in_training] == [3, 3]
    assert [len(p) for p in at_test_time] == [5, 5]
