import json
import math

import pytest
import torch
from torch import nn

from detic.errors import InputError
from detic.modeling import build_detector
from detic.modeling.detr.attention import DeformableAttention
from detic.modeling.detr.boxes import inverse_sigmoid
from detic.modeling.request import DetectionRequest, RequestedClasses
from detic.modeling.roi_heads.classifier import class_columns
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from tests.detic.modeling.conftest import NUM_CLASSES, make_batch
from tests.detic.modeling.detr.conftest import (
    NO_SAMPLING,
    ONE_STAGE,
    WITHOUT_REFINEMENT,
    ZERO_SHOT,
)
from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in

KINDS = {
    "two stages": [],
    "one stage": ONE_STAGE,
    "without refinement": WITHOUT_REFINEMENT,
    "text embeddings": ZERO_SHOT,
    "text embeddings, one stage": [*ZERO_SHOT, *ONE_STAGE],
    "text embeddings, without refinement": [*ZERO_SHOT, *WITHOUT_REFINEMENT],
}


def losses_of(model, kind="box", **options):
    torch.manual_seed(0)
    return model.train()(make_batch(kind, 0), **options)


def total(losses):
    return sum(losses.values())


@pytest.mark.parametrize("overrides", KINDS.values(), ids=KINDS)
def test_a_step_reaches_every_parameter(tiny_detr, overrides):
    model = tiny_detr(*overrides)
    for module in model.modules():
        if isinstance(module, DeformableAttention):
            nn.init.normal_(module.sampling_offsets.weight, std=0.01)  # starts at 0
    total(losses_of(model)).backward()
    gradients = {n: p.grad for n, p in model.detr.named_parameters() if "backbone" not in n}
    assert [n for n, grad in gradients.items() if grad is None or not grad.any()] == []


@pytest.mark.parametrize("overrides", KINDS.values(), ids=KINDS)
def test_detections_have_the_size_that_is_asked_for(tiny_detr, overrides):
    batch = [{**make_batch("box", 0)[0], "height": 50, "width": 70}]
    found = tiny_detr(*overrides)(batch)[0]["instances"]
    assert found.image_size == (50, 70)
    assert len(found) == 15
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    assert 0 <= found.pred_classes.min() <= found.pred_classes.max() < NUM_CLASSES
    assert not found.has("pred_masks")


def test_images_with_fewer_cells_than_queries_are_searched(tiny_detr):
    image = torch.zeros(3, 9, 5, dtype=torch.uint8)
    model = tiny_detr()
    outputs = model([{"image": image, "height": 9, "width": 5}])
    assert torch.isfinite(outputs[0]["instances"].pred_boxes.tensor).all()


@pytest.mark.parametrize(
    "overrides",
    [
        ["MODEL.TIMM.BASE_NAME", "test_vit"],
        [
            *("MODEL.BACKBONE.NAME", "build_p35_timm_fpn_backbone"),
            *("MODEL.FPN.IN_FEATURES", "['layer3', 'layer4', 'layer5']"),
        ],
    ],
    ids=["plain transformer", "pyramid"],
)
def test_images_of_any_size_suit_backbones_that_need_multiples(tiny_detr, overrides):
    model = tiny_detr(*overrides)
    image = torch.zeros(3, 50, 65, dtype=torch.uint8)
    found = model([{"image": image, "height": 50, "width": 65}])[0]["instances"]
    assert torch.isfinite(found.pred_boxes.tensor).all()


def test_images_are_normalised_as_timm_knows_the_weights(tiny_cfg):
    overrides = ["MODEL.TIMM.BASE_NAME", "test_vit", "MODEL.TIMM.USE_PIXEL_STATISTICS", "True"]
    model = build_detector(tiny_cfg(*overrides))
    assert model.pixel_mean.flatten().tolist() == model.pixel_std.flatten().tolist() == [127.5] * 3


def test_released_files_hold_the_heads_twice_and_the_model_once(tiny_detr):
    state = tiny_detr().state_dict()
    for name in ("class_embed.2.weight", "bbox_embed.0.layers.1.bias"):
        twin = state[f"detr.transformer.decoder.{name}"]
        assert twin.data_ptr() == state[f"detr.{name}"].data_ptr()


def test_without_refinement_all_layers_share_their_heads(tiny_detr):
    network = tiny_detr(*WITHOUT_REFINEMENT).detr
    assert network.class_embed[0] is network.class_embed[1]
    assert network.bbox_embed[0] is network.bbox_embed[1]
    assert not hasattr(network.transformer.decoder, "bbox_embed")


@pytest.mark.parametrize(
    ("overrides", "size_logits"),
    [([], [0.0, 0.0, 0.0]), (ONE_STAGE, [-2.0, 0.0]), (WITHOUT_REFINEMENT, [-2.0, -2.0])],
    ids=["two stages", "one stage", "without refinement"],
)
def test_initial_values(tiny_cfg, overrides, size_logits):
    network = build_detector(tiny_cfg(*overrides)).detr
    for head, size_logit in zip(network.bbox_embed, size_logits, strict=True):
        assert not head.layers[2].weight.any()
        assert head.layers[2].bias.tolist() == [0, 0, size_logit, size_logit]
    for head in network.class_embed:
        torch.testing.assert_close(head.bias, torch.full((NUM_CLASSES,), -math.log(99)))
    for projection, _ in network.input_proj:
        assert not projection.bias.any()
    attention = network.transformer.encoder.layers[0].self_attn
    assert not attention.attention_weights.weight.any()
    assert not attention.sampling_offsets.weight.any()
    assert attention.sampling_offsets.bias.any()


def test_further_levels_halve_the_last_map(tiny_detr):
    model = tiny_detr("MODEL.DETR.NUM_FEATURE_LEVELS", "5")
    kernels = [projection[0].kernel_size for projection in model.detr.input_proj]
    assert kernels == [(1, 1), (1, 1), (1, 1), (3, 3), (3, 3)]
    assert model.detr.input_proj[3][0].in_channels == 160  # of the backbone's last map
    assert model.detr.input_proj[4][0].in_channels == 64


def test_losses_of_accumulated_batches_are_divided_by_their_mean_count(tiny_detr):
    model = tiny_detr(*NO_SAMPLING)
    batch = make_batch("box", 0)
    assert model.count_targets(batch).tolist() == [10.0]
    alone, shared = losses_of(model), losses_of(model, object_counts=torch.tensor([5.0]))
    for name in ("loss_ce", "loss_bbox_0", "loss_giou_enc"):
        torch.testing.assert_close(shared[name], 2 * alone[name])


def test_image_labels_add_a_loss_and_boxes_are_told_apart(tiny_detr):
    model = tiny_detr()
    of_boxes, of_labels = losses_of(model), losses_of(model, "image")
    assert set(of_boxes) == set(of_labels)
    assert of_boxes["loss_image"] == 0
    assert of_labels["loss_image"] > 0
    assert of_labels["loss_bbox"] == of_labels["loss_giou"] == 0
    assert of_labels["loss_ce"] > 0  # all sampled classes are taken to be absent
    assert losses_of(model, "caption")["loss_image"] == 0
    assert losses_of(model, "captiontag")["loss_image"] > 0


def test_label_images_without_labels_cost_nothing(tiny_detr):
    model = tiny_detr().train()
    batch = make_batch("image", 0)
    for example in batch:
        example["pos_category_ids"] = []
    losses = model(batch)
    assert losses["loss_image"] == 0
    assert torch.isfinite(total(losses))


def test_losses_in_bfloat16_are_close_to_those_in_float32(tiny_detr):
    model = tiny_detr(*NO_SAMPLING)
    exact = losses_of(model)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = losses_of(model)
    total(rounded).backward()
    assert all(loss.dtype == torch.float32 for loss in rounded.values())
    torch.testing.assert_close(rounded["loss_bbox_enc"], exact["loss_bbox_enc"], rtol=0.05, atol=0)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_boxes_near_the_border_survive_the_inverse_sigmoid():
    boxes = torch.tensor([1e-4, 0.5, 1 - 1e-4])
    torch.testing.assert_close(inverse_sigmoid(boxes).sigmoid(), boxes, rtol=0, atol=1e-6)


def requested(model, num_classes, **options):
    torch.manual_seed(1)
    columns = class_columns(model.classifier, torch.randn(num_classes, 512))
    return DetectionRequest(RequestedClasses(columns, **options))


def test_text_embeddings_answer_for_other_classes(tiny_detr):
    model = tiny_detr(*ZERO_SHOT)
    assert isinstance(model.classifier, ZeroShotClassifier)
    found = model.inference(make_batch("box", 0), requested(model, 3))[0]["instances"]
    assert found.pred_classes.max() < 3


def test_a_request_for_the_models_own_classes_changes_nothing(tiny_detr):
    model = tiny_detr(*ZERO_SHOT)
    own = RequestedClasses(model.classifier.zs_weight)
    batch = make_batch("box", 0)
    plain = model.inference(batch)[0]["instances"]
    asked = model.inference(batch, DetectionRequest(own))[0]["instances"]
    torch.testing.assert_close(asked.scores, plain.scores)
    assert torch.equal(asked.pred_classes, plain.pred_classes)


def test_requests_limit_detections_and_add_features_and_scores(tiny_detr):
    model = tiny_detr(*ZERO_SHOT)
    request = DetectionRequest(max_detections=4, region_embeddings=True, class_scores=True)
    found = model.inference(make_batch("box", 0), request)[0]["instances"]
    assert found.region_embeddings.shape == (4, 512)
    assert found.class_scores.shape == (4, NUM_CLASSES)
    own = found.class_scores[torch.arange(4), found.pred_classes]
    torch.testing.assert_close(own, found.scores)


def test_negative_classes_are_never_reported(tiny_detr):
    model = tiny_detr(*ZERO_SHOT)
    thresholds, negative = torch.zeros(2), torch.tensor([False, True])
    request = requested(model, 2, score_thresholds=thresholds, negative=negative)
    found = model.inference(make_batch("box", 0), request)[0]["instances"]
    assert set(found.pred_classes.tolist()) <= {0}


def test_one_class_per_query_if_asked_for(tiny_detr):
    model = tiny_detr(*ZERO_SHOT, "MODEL.ROI_HEADS.ONE_CLASS_PER_PROPOSAL", "True")
    request = requested(model, 5, score_thresholds=torch.zeros(5))
    found = model.inference(make_batch("box", 0), request)[0]["instances"]
    assert len(set(found.box_index.tolist())) == len(found)


def test_closed_models_refuse_other_classes(tiny_detr):
    with pytest.raises(InputError, match="knows only the classes it was trained on"):
        class_columns(tiny_detr().classifier, torch.randn(3, 512))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["MODEL.MASK_ON", "True"], "MASK_ON True: it has no masks; set it to False"),
        (["MODEL.DYNAMIC_CLASSIFIER", "True"], "classifies against all classes"),
        (["MODEL.WITH_CAPTION", "True"], "learns nothing from captions"),
        (
            ["MODEL.DETR.WITH_BOX_REFINE", "False"],
            r"TWO_STAGE True .*; set MODEL\.DETR\.WITH_BOX_REFINE to True",
        ),
        (
            ["MODEL.DETR.DEEP_SUPERVISION", "False"],
            r"WITH_IMAGE_LABELS .*; set MODEL\.DETR\.DEEP_SUPERVISION to True",
        ),
        (["MODEL.DETR.HIDDEN_DIM", "96", "MODEL.DETR.NHEADS", "5"], "is 96; expected a multiple"),
        (
            ["MODEL.DETR.NUM_FEATURE_LEVELS", "2"],
            r"is 2, but the backbone gives the maps layer3, layer4, layer5; set it to 3 or more",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(tiny_cfg, overrides, message):
    with pytest.raises(InputError, match=message):
        build_detector(tiny_cfg(*overrides))


def test_frequencies_of_other_classes_are_refused(tiny_cfg, tmp_path):
    path = tmp_path / "few.json"
    path.write_text(json.dumps([{"id": 1, "image_count": 5}]))
    with pytest.raises(InputError, match=r"few\.json has 1 classes, the model has 30"):
        build_detector(tiny_cfg("MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH", str(path)))


@needs_stand_in
def test_detection_never_waits_for_the_device(tiny_detr):
    model = tiny_detr()
    with StandInDevice() as device:
        model.to(DEVICE)
        model.inference(make_batch("box", 0))
        assert device.waits.total() == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_gpu_step_is_finite(tiny_detr, dtype):
    model = tiny_detr("MODEL.DEVICE", "cuda")
    with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
        losses = losses_of(model, "image")
    total(losses).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
