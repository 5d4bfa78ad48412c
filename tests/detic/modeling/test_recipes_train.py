"""Every published recipe takes a training step on each kind of batch that it mixes."""

import pytest
import torch
from detectron2.layers import FrozenBatchNorm2d
from detectron2.utils.events import EventStorage

from detic.engine.optimizer import build_optimizer
from detic.errors import InputError
from detic.modeling import build_detector, meta_arch
from detic.vocabulary.text_encoder import CLIPTextEncoder
from tests.detic.modeling.conftest import CONFIGS, make_batch

RECIPES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
DEFORMABLE = [name for name in RECIPES if "DeformDETR" in name]

# Parameters that no loss reaches.
UNUSED = (
    "base.fc.",  # the classifier that released ResNet-50 files hold
    "text_encoder.",
)
# Swin-B in all its depth tells nothing more than Swin-T.
SMALLER = {"SwinB": ["MODEL.SWIN.SIZE", "T"]}


@pytest.fixture(autouse=True)
def tiny_text_encoder(monkeypatch):
    """Captions go through a small random encoder instead of CLIP's."""
    monkeypatch.setattr(
        meta_arch,
        "build_text_encoder",
        lambda: CLIPTextEncoder(width=64, heads=1, layers=1, vocab_size=1024, embed_dim=512),
    )


def build(small_recipe, name):
    overrides = next((o for part, o in SMALLER.items() if part in name), [])
    cfg = small_recipe(name, *overrides)
    torch.manual_seed(0)
    model = build_detector(cfg).train()
    for module in model.modules():
        # timm starts the last scale of each block at 0, which frozen would block all gradients.
        if isinstance(module, FrozenBatchNorm2d) and not module.weight.any():
            module.weight.fill_(0.5)
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


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in DEFORMABLE])
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


@pytest.mark.parametrize("name", DEFORMABLE)
def test_deformable_detr_is_refused_by_name(small_recipe, name):
    with pytest.raises(InputError, match="DeformableDetr"):
        build(small_recipe, name)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["Detic_LbaseI_CLIP_R5021k_640b64_4x_ft4x_max-size"])
def test_gpu_step_in_mixed_precision_is_finite(small_recipe, name, dtype):
    cfg = small_recipe(name, "MODEL.DEVICE", "cuda")
    model = build_detector(cfg).train()
    for source, kind in enumerate(batch_kinds(cfg)):
        with EventStorage(), torch.autocast("cuda", dtype):
            losses = model(make_batch(kind, source))
        assert all(torch.isfinite(loss) for loss in losses.values())
        sum(losses.values()).backward()
