import pytest
import torch
from detectron2.modeling.roi_heads import CascadeROIHeads, build_roi_heads
from torch import nn

from ..conftest import IMAGE_SIZE_HW, ground_truth
from .test_roi_heads import (
    ELSEWHERE,
    NUM_CLASSES,
    OBJECT,
    SHAPES,
    make_features,
    make_images,
    proposals_of,
)


@pytest.fixture
def heads(cascade_cfg) -> CascadeROIHeads:
    torch.manual_seed(0)
    return build_roi_heads(cascade_cfg, SHAPES)


def test_every_stage_has_its_own_head_predictor_and_weights(heads):
    assert heads.num_cascade_stages == 3
    assert isinstance(heads.box_head, nn.ModuleList)
    assert isinstance(heads.box_predictor, nn.ModuleList)
    assert [tuple(p.box2box_transform.weights) for p in heads.box_predictor] == [
        (10, 10, 5, 5),
        (20, 20, 10, 10),
        (30, 30, 15, 15),
    ]
    assert [m.thresholds[1] for m in heads.proposal_matchers] == [0.5, 0.6, 0.7]
    names = {name.rsplit(".", 1)[0] for name in heads.state_dict()}
    stages = {f"box_head.{k}.fc{i}" for k in range(3) for i in (1, 2)}
    stages |= {f"box_predictor.{k}.{x}" for k in range(3) for x in ("cls_score", "bbox_pred")}
    assert names == stages | {"mask_head.mask_fcn1", "mask_head.deconv", "mask_head.predictor"}


def test_training_gives_losses_of_every_stage(heads, storage):
    targets = [ground_truth([OBJECT], [1]), ground_truth([], [])]
    _, losses = heads(make_images(2), make_features(2), [proposals_of(ELSEWHERE)] * 2, targets)
    expected = {f"{name}_stage{k}" for name in ("loss_cls", "loss_box_reg") for k in range(3)}
    assert set(losses) == expected | {"loss_mask"}
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in heads.parameters())
    scalars = storage.latest()
    assert scalars["stage1/roi_head/num_fg_samples"][0] == 0.5


def test_features_get_a_third_of_the_gradient_of_each_stage(heads, storage):
    gradients = []
    for stages in (3, 1):
        heads.num_cascade_stages = stages
        features = {name: f.requires_grad_() for name, f in make_features().items()}
        maps = [features[name] for name in heads.box_in_features]
        logits, _ = heads._run_stage(maps, [proposals_of(OBJECT)], 0)
        logits.sum().backward()
        gradients.append(sum(f.grad.abs().sum() for f in maps if f.grad is not None))
    torch.testing.assert_close(3 * gradients[0], gradients[1])


def test_inference_averages_scores_and_takes_the_last_boxes(heads):
    """Stage k moves boxes by k + 1 tenths of their width and predicts logit k for class 0."""
    for k, predictor in enumerate(heads.box_predictor):
        for layer in (predictor.cls_score, predictor.bbox_pred):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(predictor.bbox_pred.bias)
        predictor.use_sigmoid_ce = True
        predictor.cls_score.bias.data = torch.tensor([float(k), -9.0, -9.0, 0.0])
        predictor.bbox_pred.bias.data[0] = predictor.box2box_transform.weights[0] * 0.1 * (k + 1)
        predictor.test_score_thresh = 0.1
    (detections,), _ = heads.eval()(
        make_images(), make_features(), [proposals_of([0.0, 0, 10, 10])]
    )
    assert detections.pred_boxes.tensor[0].tolist() == pytest.approx([6, 0, 16, 10], abs=1e-4)
    mean = float(torch.sigmoid(torch.tensor([0.0, 1.0, 2.0])).mean())
    assert detections.scores.tolist() == pytest.approx([mean])


def test_refined_boxes_are_detached_clipped_and_nonempty_in_training(heads):
    width = IMAGE_SIZE_HW[1]
    boxes = torch.tensor([[-5.0, -5, 10, 10], [width + 5.0, 0, width + 9, 5]], requires_grad=True)
    (training,) = heads._create_proposals_from_boxes([boxes], [IMAGE_SIZE_HW])
    assert training.proposal_boxes.tensor.tolist() == [[0, 0, 10, 10]]
    assert not training.proposal_boxes.tensor.requires_grad
    heads.eval()
    (inference,) = heads._create_proposals_from_boxes([boxes], [IMAGE_SIZE_HW])
    assert len(inference) == 2


def test_later_stages_label_all_boxes_by_their_own_threshold(heads, storage):
    """IoU 0.65 is foreground of the second stage (0.6) and background of the third (0.7)."""
    x1, y1, x2, y2 = OBJECT
    loose = [x1, y1, x2, y1 + 0.65 * (y2 - y1)]
    for stage, expected in ((1, 2), (2, NUM_CLASSES)):
        (labelled,) = heads._match_and_label_boxes(
            [proposals_of(loose)], stage, [ground_truth([OBJECT], [2])]
        )
        assert labelled.gt_classes.tolist() == [expected]
        assert labelled.gt_boxes.tensor.tolist() == [OBJECT]


def test_images_without_objects_have_background_in_every_stage(heads, storage):
    (labelled,) = heads._match_and_label_boxes([proposals_of(OBJECT)], 1, [ground_truth([], [])])
    assert labelled.gt_classes.tolist() == [NUM_CLASSES]
    assert labelled.gt_boxes.tensor.tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG", False, "CLS_AGNOSTIC_BBOX_REG True"),
        (
            "ROI_HEADS.IOU_THRESHOLDS",
            [0.6],
            r"IOUS \(0.5, 0.6, 0.7\) must equal that of .* \[0.6\]",
        ),
    ],
)
def test_inconsistent_configs_are_refused(cascade_cfg, key, value, message):
    cascade_cfg.merge_from_list([f"MODEL.{key}", value])
    with pytest.raises(ValueError, match=message):
        build_roi_heads(cascade_cfg, SHAPES)
