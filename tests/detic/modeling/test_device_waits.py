"""How often a training step and an inference wait for a GPU, counted on its stand-in."""

from collections import Counter
from importlib.util import find_spec

import pytest
import torch
from detectron2.utils.events import EventStorage

from detic.engine.step import TrainingStep
from detic.errors import InputError
from detic.modeling import build_detector
from detic.plan.optimization import PrecisionParams
from tests.detic.modeling.conftest import WHOLE, make_batch
from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in

pytestmark = [
    needs_stand_in,
    pytest.mark.skipif(
        find_spec("detectron2.modeling._rows") is None,
        reason="Facebook's Detectron2 waits in places of its own",
    ),
]

RECIPE = "Detic_LCOCOI21k_CLIP_R18_640b32_4x_ft4x_max-size"  # cascade and masks
FEDERATED = [*WHOLE, "MODEL.ROI_BOX_HEAD.USE_FED_LOSS", "True"]


@pytest.fixture
def build(small_recipe):
    def model(*overrides):
        torch.manual_seed(0)
        return build_detector(small_recipe(RECIPE, *overrides))

    return model


def step_on_device(model):
    model.to(DEVICE).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    return TrainingStep(model, optimizer, PrecisionParams(), accumulate=1, seed=0)


def waits_of_step(model, kind, num_images) -> Counter:
    """Return what the second of two steps waits for: the first fills tables that stay."""
    with StandInDevice() as device, EventStorage():
        step = step_on_device(model)
        for iteration in range(2):
            device.waits.clear()
            device.uploads.clear()
            step(iteration, [make_batch(kind, 0, num_images)])
        return device.waits + device.uploads


@pytest.mark.parametrize(
    ("kind", "overrides", "num_images", "limit"),
    [
        ("box", FEDERATED, 1, 12),
        ("box", FEDERATED, 4, 12),
        ("box", [], 2, 12),  # against sampled classes
        ("image", WHOLE, 3, 8),
    ],
)
def test_a_step_waits_no_oftener_for_many_images(build, kind, overrides, num_images, limit):
    waits = waits_of_step(build(*overrides), kind, num_images)
    assert waits.total() <= limit, waits


def test_inference_waits_twice_for_each_image_and_seven_times_besides(build):
    model = build("TEST.DETECTIONS_PER_IMAGE", "1000").eval()  # all candidates at once
    with StandInDevice() as device:
        model.to(DEVICE)
        device.waits.clear()
        device.uploads.clear()
        found = model.inference(make_batch("box", 0, 3))
        waits = device.waits + device.uploads
        assert all(len(output["instances"]) for output in found)
    assert waits.total() <= 7 + 2 * 3, waits


def test_losses_and_detections_are_those_of_the_cpu(build):
    def results(device):
        model = build(*FEDERATED).to(device).train()
        torch.manual_seed(0)
        with EventStorage() as storage:
            losses = model(make_batch("box", 0))
        (found, _) = model.eval().inference(make_batch("box", 0))
        numbers = {name: loss.item() for name, loss in losses.items()}
        numbers |= {name: value for name, (value, _) in storage.latest().items()}
        return numbers, found["instances"].scores.cpu()

    numbers, scores = results(torch.device("cpu"))
    with StandInDevice():
        numbers_there, scores_there = results(DEVICE)
    assert numbers_there == pytest.approx(numbers, rel=1e-5)
    torch.testing.assert_close(scores_there, scores)


def test_a_loss_that_is_not_finite_is_told_in_the_next_step(build):
    with StandInDevice(), EventStorage():
        step = step_on_device(build(*WHOLE))
        broken = make_batch("box", 0, 1)
        broken[0]["image"] = torch.full_like(broken[0]["image"], float("nan"), dtype=torch.float32)
        broken[0]["file_name"] = "broken.jpg"
        step(7, [broken])
        with pytest.raises(InputError, match=r"iteration 7: .*broken\.jpg.*--resume"):
            step(8, [make_batch("box", 0, 1)])


def test_detections_that_are_not_finite_are_no_detections_but_an_error(build):
    model = build(*WHOLE).eval()
    with StandInDevice(), torch.no_grad():
        model.to(DEVICE)
        model.roi_heads.box_predictor[-1].bbox_pred[-1].bias.fill_(float("nan"))
        with pytest.raises(ValueError, match="infinite or NaN"):
            model.inference(make_batch("box", 0, 1))
