import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.roi_heads import (
    Res5ROIHeads,
    ROIHeads,
    StandardROIHeads,
    build_roi_heads,
    select_foreground_proposals,
)
from detectron2.structures import Boxes, ImageList, Instances

from ..conftest import IMAGE_SIZE_HW, ground_truth

NUM_CLASSES = 3
OBJECT, ELSEWHERE = [8.0, 8.0, 40.0, 40.0], [60.0, 40.0, 90.0, 60.0]
SHAPES = {
    "p2": ShapeSpec(channels=8, stride=4),
    "p3": ShapeSpec(channels=8, stride=8),
    "p4": ShapeSpec(channels=8, stride=16),
    "p5": ShapeSpec(channels=8, stride=32),
    "res4": ShapeSpec(channels=64, stride=16),
}


def proposals_of(*boxes: list[float]) -> Instances:
    return Instances(
        IMAGE_SIZE_HW,
        proposal_boxes=Boxes(torch.tensor(boxes).reshape(-1, 4)),
        objectness_logits=torch.zeros(len(boxes)),
    )


def make_sampler(**kwargs) -> ROIHeads:
    defaults = {
        "num_classes": NUM_CLASSES,
        "batch_size_per_image": 4,
        "positive_fraction": 0.5,
        "proposal_matcher": Matcher([0.5], [0, 1]),
    }
    return ROIHeads(**{**defaults, **kwargs})


def make_features(batch: int = 1) -> dict[str, torch.Tensor]:
    height, width = IMAGE_SIZE_HW
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(
            batch, s.channels, height // s.stride, width // s.stride, generator=generator
        )
        for name, s in SHAPES.items()
    }


def make_images(batch: int = 1) -> ImageList:
    return ImageList(torch.zeros(batch, 3, *IMAGE_SIZE_HW), [IMAGE_SIZE_HW] * batch)


def test_proposals_get_the_ground_truth_of_their_object(storage):
    heads = make_sampler(proposal_append_gt=False)
    targets = ground_truth([ELSEWHERE, OBJECT], [1, 2])
    (sampled,) = heads.label_and_sample_proposals(
        [proposals_of([0.0, 0, 5, 5], [8.0, 8, 40, 36])], [targets]
    )
    assert sampled.gt_classes.tolist() == [2, NUM_CLASSES]
    assert sampled.gt_boxes.tensor[0].tolist() == OBJECT
    assert len(sampled.gt_masks) == 2
    assert storage.latest()["roi_head/num_fg_samples"][0] == 1
    assert storage.latest()["roi_head/num_bg_samples"][0] == 1


def test_ground_truth_boxes_become_proposals(storage):
    (sampled,) = make_sampler().label_and_sample_proposals(
        [proposals_of([0.0, 0, 5, 5])], [ground_truth([OBJECT], [1])]
    )
    assert sampled.proposal_boxes.tensor.tolist() == [OBJECT, [0, 0, 5, 5]]
    assert sampled.gt_classes.tolist() == [1, NUM_CLASSES]


def test_foreground_is_limited_to_its_share(storage):
    proposals = proposals_of(*[OBJECT] * 5, *[[0.0, 0, 5, 5]] * 5)
    (sampled,) = make_sampler().label_and_sample_proposals(
        [proposals], [ground_truth([OBJECT], [0])]
    )
    assert sampled.gt_classes.tolist() == [0, 0, NUM_CLASSES, NUM_CLASSES]


def test_image_without_objects_gives_background_without_other_ground_truth(storage):
    (sampled,) = make_sampler().label_and_sample_proposals(
        [proposals_of([0.0, 0, 5, 5])], [ground_truth([], [])]
    )
    assert sampled.gt_classes.tolist() == [NUM_CLASSES]
    assert not sampled.has("gt_boxes")


def test_proposals_between_the_thresholds_are_never_sampled(storage):
    heads = make_sampler(proposal_matcher=Matcher([0.3, 0.7], [0, -1, 1]), proposal_append_gt=False)
    half = [8.0, 8.0, 40.0, 24.0]  # IoU 0.5 with the object
    (sampled,) = heads.label_and_sample_proposals(
        [proposals_of(half, OBJECT)], [ground_truth([OBJECT], [0])]
    )
    assert sampled.proposal_boxes.tensor.tolist() == [OBJECT]


def test_foreground_selection_drops_background_and_ignored():
    proposals = proposals_of(OBJECT, OBJECT, OBJECT)
    proposals.gt_classes = torch.tensor([1, NUM_CLASSES, -1])
    (foreground,), (mask,) = select_foreground_proposals([proposals], NUM_CLASSES)
    assert len(foreground) == 1
    assert mask.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("fixture", "kind"), [("fpn_cfg", StandardROIHeads), ("c4_cfg", Res5ROIHeads)]
)
def test_training_gives_losses_with_gradients(fixture, kind, request, storage):
    heads = build_roi_heads(request.getfixturevalue(fixture), SHAPES)
    assert type(heads) is kind
    targets = [ground_truth([OBJECT], [1]), ground_truth([], [])]
    if kind is Res5ROIHeads:
        heads.res5[0].shortcut.weight.requires_grad_()
    sampled, losses = heads(
        make_images(2), make_features(2), [proposals_of(ELSEWHERE)] * 2, targets
    )
    assert set(losses) == {"loss_cls", "loss_box_reg", "loss_mask"}
    assert [len(s) for s in sampled] == [2, 1]
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in heads.parameters() if p.requires_grad)


@pytest.mark.parametrize("fixture", ["fpn_cfg", "c4_cfg"])
def test_inference_gives_boxes_classes_and_masks(fixture, request):
    heads = build_roi_heads(request.getfixturevalue(fixture), SHAPES).eval()
    with torch.no_grad():
        (detections,), losses = heads(
            make_images(), make_features(), [proposals_of(OBJECT, ELSEWHERE)]
        )
    assert losses == {}
    assert len(detections) == 5  # six pairs of region and class, five asked for
    assert detections.pred_masks.shape[:2] == (5, 1)
    assert set(detections.pred_classes.tolist()) <= {0, 1, 2}


@pytest.mark.parametrize("fixture", ["fpn_cfg", "c4_cfg"])
def test_without_masks_there_are_none(fixture, request, storage):
    cfg = request.getfixturevalue(fixture)
    cfg.MODEL.MASK_ON = False
    heads = build_roi_heads(cfg, SHAPES)
    targets = [ground_truth([OBJECT], [1])]
    _, losses = heads(make_images(), make_features(), [proposals_of(ELSEWHERE)], targets)
    assert set(losses) == {"loss_cls", "loss_box_reg"}
    (detections,), _ = heads.eval()(make_images(), make_features(), [proposals_of(OBJECT)])
    assert not detections.has("pred_masks")


def test_state_dict_names_of_the_c4_heads(c4_cfg):
    names = {name.rsplit(".", 1)[0] for name in build_roi_heads(c4_cfg, SHAPES).state_dict()}
    convs = [f"res5.{block}.conv{k}" for block in range(3) for k in (1, 2, 3)]
    convs.append("res5.0.shortcut")
    expected = {*convs, *(f"{conv}.norm" for conv in convs)}
    expected |= {"box_predictor.cls_score", "box_predictor.bbox_pred"}
    assert names == expected | {"mask_head.deconv", "mask_head.predictor"}


def test_res5_halves_the_pooled_feature(c4_cfg):
    heads = build_roi_heads(c4_cfg, SHAPES)
    boxes = [Boxes(torch.tensor([OBJECT, ELSEWHERE]))]
    features = heads._shared_roi_transform([make_features()["res4"]], boxes)
    assert features.shape == (2, 128, 7, 7)


def test_c4_masks_train_on_the_features_of_foreground_regions(c4_cfg, storage):
    """Each image samples its object, then a background region."""
    heads = build_roi_heads(c4_cfg, SHAPES)
    seen = {}
    heads._shared_roi_transform = lambda maps, boxes: torch.arange(4.0)[:, None, None, None]
    heads.box_predictor.forward = lambda x: (torch.zeros(4, 4), torch.zeros(4, 12))
    heads.mask_head.forward = lambda x, instances: seen.update(rows=x.flatten().tolist()) or {}
    targets = [ground_truth([OBJECT], [1])] * 2
    heads(make_images(2), make_features(2), [proposals_of(ELSEWHERE)] * 2, targets)
    assert seen["rows"] == [0, 2]


def test_unsupported_configs_are_refused(c4_cfg, fpn_cfg):
    c4_cfg.MODEL.ROI_HEADS.NAME = "Res5ROIHeads"
    with pytest.raises(ValueError, match="Res5ROIHeads pools from one feature"):
        build_roi_heads(c4_cfg, SHAPES)
    fpn_cfg.MODEL.ROI_HEADS.NAME = "StandardROIHeads"
    fpn_cfg.MODEL.KEYPOINT_ON = True
    with pytest.raises(ValueError, match="KEYPOINT_ON is not part of this distribution"):
        build_roi_heads(fpn_cfg, SHAPES)


def test_masks_can_train_on_predicted_boxes(fpn_cfg, storage):
    fpn_cfg.MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES = True
    heads = build_roi_heads(fpn_cfg, SHAPES)
    moved = torch.tensor([[1.0, 2.0, 30.0, 40.0]])
    heads.box_predictor.predict_boxes_for_gt_classes = lambda predictions, proposals: [
        moved.expand(len(p), 4) for p in proposals
    ]
    targets = [ground_truth([OBJECT], [1])]
    sampled, losses = heads(make_images(1), make_features(1), [proposals_of(ELSEWHERE)], targets)
    assert (sampled[0].proposal_boxes.tensor == moved).all()
    assert "loss_mask" in losses


def test_masks_of_given_boxes(fpn_cfg):
    heads = build_roi_heads(fpn_cfg, SHAPES).eval()
    given = Instances(IMAGE_SIZE_HW, pred_boxes=Boxes(torch.tensor([OBJECT])))
    given.pred_classes = torch.tensor([1])
    (result,) = heads.forward_with_given_boxes(make_features(1), [given])
    assert result.pred_boxes.tensor.tolist() == [OBJECT]
    assert result.pred_masks.shape[:2] == (1, 1)
