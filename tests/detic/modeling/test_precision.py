"""Which numbers a detector computes in, and where that is refused."""

import pytest
import torch

from detic.errors import InputError
from detic.modeling import build_detector
from detic.modeling.precision import FP32, PRECISIONS, choose_precision, computing_in
from detic.modeling.request import DetectionRequest
from tests.detic.modeling.conftest import make_batch

CPU = torch.device("cpu")
UNITS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


@pytest.fixture
def cpu_with(monkeypatch):
    """A function that gives the CPU the units of some names, and only these."""

    def cpu_with(*units):
        for unit in UNITS:
            monkeypatch.setattr(torch.cpu, unit, lambda unit=unit: unit in units, raising=False)

    return cpu_with


@pytest.mark.parametrize("unit", UNITS)
def test_bfloat16_is_for_processors_that_multiply_in_it(cpu_with, unit):
    cpu_with(unit)
    assert choose_precision("bf16", CPU).heads == torch.bfloat16
    cpu_with()
    with pytest.raises(
        InputError, match=r"needs a CPU with AVX512-BF16 .*; this CPU, of level \w+"
    ):
        choose_precision("bf16", CPU)


def test_float32_is_for_every_device():
    assert choose_precision("fp32", torch.device("meta")) == FP32


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fp16", "half precision needs a GPU; leave it out, or choose device cuda"),
        ("bf61", r"unknown precision 'bf61'; choose .*did you mean 'bf16'"),
    ],
)
def test_other_precisions_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        choose_precision(name, CPU)


def test_a_device_without_bfloat16_is_named():
    with pytest.raises(InputError, match="device meta does not; choose fp32"):
        choose_precision("bf16", torch.device("meta"))


def test_without_a_format_a_surrounding_mixed_precision_stays():
    x = torch.ones(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16), computing_in(None, CPU):
        assert (x @ x).dtype == torch.bfloat16


@pytest.mark.parametrize(
    "recipe",
    ["Detic_LCOCOI21k_CLIP_R18_640b32_4x_ft4x_max-size", "Detic_OVCOCO_CLIP_R50_1x_max-size"],
)
def test_all_parts_compute_in_bfloat16_and_results_are_float32(small_recipe, recipe):
    torch.manual_seed(0)
    overrides = ("MODEL.RESNETS.RES2_OUT_CHANNELS", "16", "MODEL.MASK_ON", "True")
    cfg = small_recipe(recipe, *overrides, "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0")
    model = build_detector(cfg).eval()
    formats = {}  # by name of the layer

    def note(name, output):
        formats[name] = output.dtype

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(lambda _, __, out, name=name: note(name, out))
    image = {"image": make_batch("box", 0)[0]["image"]}
    (found,) = model.inference([image], DetectionRequest(precision=PRECISIONS["bf16"]))
    detections = found["instances"]
    exact = {name for name, dtype in formats.items() if dtype == torch.float32}
    assert len(detections) > 0
    assert exact == {n for n in formats if (".bbox_pred" in n and "roi" in n) or ".cls_score" in n}
    assert {name.split(".")[1] for name in formats} >= {"mask_head", "box_predictor"}
    assert detections.scores.dtype == detections.pred_boxes.tensor.dtype == torch.float32
    assert detections.pred_masks.dtype == torch.bool
