"""Every published recipe takes a training step on each kind of batch that it mixes."""

import pytest
import torch
from detectron2.layers import FrozenBatchNorm2d
from detectron2.utils.events import EventStorage

from detic.checkpoint import load_weights
from detic.engine.optimizer import build_optimizer
from detic.engine.step import TrainingStep
from detic.errors import InputError
from detic.modeling import build_detector, meta_arch
from detic.modeling.detr.attention import DeformableAttention
from detic.modeling.detr.heads import BoxHead
from detic.plan.evaluation import evaluation_config
from detic.plan.optimization import PrecisionParams
from detic.vocabulary.model_classes import ModelClasses
from tests.detic.modeling.conftest import CONFIGS, make_batch

RECIPES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
BACKBONES = sorted(f"backbones/{path.stem}" for path in CONFIGS.glob("backbones/*.yaml"))

pytestmark = pytest.mark.usefixtures("tiny_text_encoder")

# Parameters that no loss reaches.
UNUSED = (
    "base.fc.",  # the classifier that released ResNet-50 files hold
    "text_encoder.",
)
RANDOM_CLASSES = ["MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH", "rand"]
SMALL_BACKBONE = ["MODEL.TIMM.BASE_NAME", "resnet10t_shapes"]
# Swin-B in all its depth tells nothing more than Swin-T.
SMALLER = {
    "SwinB": ["MODEL.SWIN.SIZE", "T"],
    "DINOv3": ["MODEL.TIMM.BASE_NAME", "test_vit3"],
    "MobileNetV4": ["MODEL.TIMM.BASE_NAME", "mobilenetv4_conv_small_035"],
}


def build(small_recipe, name, *overrides):
    smaller = next((o for part, o in SMALLER.items() if part in name), [])
    cfg = small_recipe(name, *smaller, *overrides)
    torch.manual_seed(0)
    model = build_detector(cfg).train()
    for module in model.modules():
        # timm starts the last scale of each block at 0, which frozen would block all gradients.
        if isinstance(module, FrozenBatchNorm2d) and not module.weight.any():
            module.weight.fill_(0.5)
        if type(module).__name__ == "DropPath":
            module.drop_prob = 0.0  # a block that chance leaves out has no gradient
        # These start at 0, too.
        if isinstance(module, BoxHead):
            torch.nn.init.normal_(module.layers[-1].weight, std=0.01)
        if isinstance(module, DeformableAttention):
            torch.nn.init.normal_(module.sampling_offsets.weight, std=0.01)
    return cfg, model


def batch_kinds(cfg):
    return cfg.DATALOADER.DATASET_ANN if len(cfg.DATASETS.TRAIN) > 1 else ["box"]


def take_step(cfg, model):
    """Return the loss names of each batch after one step on all of them."""
    optimizer = build_optimizer(cfg, model)
    names = []
    for source, kind in enumerate(batch_kinds(cfg)):
        with EventStorage():
            losses = model(make_batch(kind, source))
        total = sum(losses.values())
        assert torch.isfinite(total), losses
        total.backward()
        names.append(set(losses))
    without = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad
        and not any(part in name for part in UNUSED)
        and (p.grad is None or not p.grad.any())
    ]
    optimizer.step()
    return names, without


@pytest.mark.parametrize("name", RECIPES + BACKBONES)
def test_step_reaches_every_parameter(small_recipe, name):
    cfg, model = build(small_recipe, name)
    before = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    names, without_gradient = take_step(cfg, model)
    assert without_gradient == []
    assert all(n == names[0] for n in names)  # processes may have different kinds at once
    after = dict(model.named_parameters())
    assert all(torch.isfinite(p).all() for p in after.values())
    moved = [n for n, p in before.items() if not torch.equal(p, after[n])]
    assert len(moved) > 0.9 * len(before)


@pytest.mark.parametrize("name", BACKBONES)
def test_saved_weights_of_another_backbone_give_the_same_detector(small_recipe, tmp_path, name):
    cfg, model = build(small_recipe, name)
    path = tmp_path / "weights.pth"
    torch.save({"model": model.state_dict()}, path)
    again = build_detector(cfg, blank=True)
    load_weights(again, str(path), purpose="inference")
    images = [{"image": example["image"]} for example in make_batch("box", 0)]
    with torch.no_grad():
        one, other = (m.eval()(images)[0]["instances"] for m in (model, again))
    assert len(one) > 0
    assert torch.equal(one.pred_boxes.tensor, other.pred_boxes.tensor)
    assert torch.equal(again.pixel_mean, model.pixel_mean)


def test_images_are_normalised_as_timm_knows_the_weights(small_recipe):
    _, model = build(small_recipe, BACKBONES[0], "MODEL.TIMM.BASE_NAME", "test_vit")
    assert model.pixel_mean.flatten().tolist() == [127.5] * 3


def test_statistics_of_timm_need_a_backbone_of_timm(small_recipe):
    with pytest.raises(InputError, match="USE_PIXEL_STATISTICS True needs a backbone of timm"):
        build(small_recipe, "BoxSup_OVCOCO_CLIP_R50_1x", "MODEL.TIMM.USE_PIXEL_STATISTICS", "True")


def test_tags_of_proposal_batches_train_the_c4_heads(small_recipe):
    _, model = build(small_recipe, "Detic_OVCOCO_CLIP_R50_1x_max-size")
    # Proposals are anchors: random offsets can throw all of them out of the image.
    torch.nn.init.zeros_(model.proposal_generator.rpn_head.anchor_deltas.weight)
    with EventStorage():
        losses = {kind: model(make_batch(kind, 0)) for kind in ("prop", "proptag", "box")}
    assert losses["proptag"]["image_loss"] > 0
    assert losses["prop"]["image_loss"] == losses["box"]["image_loss"] == 0  # without labels


def test_frequencies_of_other_classes_are_refused(small_recipe):
    name = "BoxSup-C2_Lbase_CLIP_R5021k_640b64_4x"
    with pytest.raises(InputError, match="has 30 classes, the model has 20"):
        build_detector(small_recipe(name, *("MODEL.ROI_HEADS.NUM_CLASSES", "20"), *RANDOM_CLASSES))


def test_frequencies_of_the_first_classes_are_extended_with_zeros(small_recipe):
    name = "BoxSup-C2_Lbase_CLIP_R5021k_640b64_4x"
    overrides = ["MODEL.ROI_HEADS.NUM_CLASSES", "32", *RANDOM_CLASSES]
    model = build_detector(small_recipe(name, *SMALL_BACKBONE, *overrides))
    weights = model.state_dict()["roi_heads.box_predictor.0.freq_weight"]
    assert weights[[0, 29]].tolist() == pytest.approx([5**0.5, 34**0.5])
    assert weights[30:].tolist() == [0, 0]


def test_ignoring_classes_takes_the_frequencies_of_all(small_recipe):
    name = "BoxSup-C2_Lbase_CLIP_R5021k_640b64_4x"
    overrides = ["MODEL.ROI_HEADS.NUM_CLASSES", "32", *RANDOM_CLASSES]
    ignoring = ["MODEL.ROI_BOX_HEAD.IGNORE_ZERO_CATS", "True"]
    with pytest.raises(InputError, match="has 30 classes, the model has 32"):
        build_detector(small_recipe(name, *SMALL_BACKBONE, *overrides, *ignoring))


PRECISIONS = {
    "backbone in float16": ["FP16", "True"],
    "float16": ["SOLVER.AMP.ENABLED", "True", "SOLVER.AMP.DTYPE", "float16"],
    "bfloat16": ["SOLVER.AMP.ENABLED", "True", "SOLVER.AMP.DTYPE", "bfloat16"],
}


def take_step_in_mixed_precision(cfg, model):
    """Losses of one update on a batch of each kind; they are finite or the step says otherwise."""
    step = TrainingStep(
        model, build_optimizer(cfg, model), PrecisionParams.from_config(cfg), accumulate=1, seed=0
    )
    with EventStorage():
        for iteration, kind in enumerate(batch_kinds(cfg)):
            step(iteration, [make_batch(kind, iteration)])
    assert all(torch.isfinite(p).all() for p in model.parameters())


@pytest.mark.parametrize("name", RECIPES[::6])
def test_step_in_bfloat16_is_finite(small_recipe, name):
    cfg, model = build(small_recipe, name, *PRECISIONS["bfloat16"])
    take_step_in_mixed_precision(cfg, model)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", RECIPES)
def test_gpu_step_in_mixed_precision_is_finite(small_recipe, name, precision):
    cfg, model = build(small_recipe, name, "MODEL.DEVICE", "cuda", *PRECISIONS[precision])
    take_step_in_mixed_precision(cfg, model)


@pytest.mark.parametrize("name", ["BoxSup_OVCOCO_CLIP_R50_1x", "Detic_OVCOCO_CLIP_R50_1x_caption"])
def test_evaluation_needs_no_file_that_only_losses_read(small_recipe, monkeypatch, name):
    monkeypatch.setattr(meta_arch, "build_text_encoder", None)
    cfg = small_recipe(name, "MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH", "nowhere.json")
    build_detector(evaluation_config(cfg, ModelClasses.from_config(cfg)))
