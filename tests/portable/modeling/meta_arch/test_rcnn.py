import copy

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import GeneralizedRCNN, build_model
from detectron2.modeling.backbone import Backbone
from detectron2.structures import Boxes, Instances

from ..conftest import IMAGE_SIZE_HW, build_calm_model, training_batch

CONFIGS = ["c4_cfg", "fpn_cfg", "cascade_cfg"]


class PassThrough(Backbone):
    """The image itself as a feature."""

    size_divisibility = 8

    def forward(self, x):
        return {"image": x}

    def output_shape(self):
        return {"image": ShapeSpec(channels=3, stride=1)}


def make_frame(**kwargs) -> GeneralizedRCNN:
    """A model that can only preprocess."""
    defaults = {
        "backbone": PassThrough(),
        "proposal_generator": torch.nn.Identity(),
        "roi_heads": torch.nn.Identity(),
        "pixel_mean": (1.0, 2.0, 3.0),
        "pixel_std": (1.0, 2.0, 4.0),
    }
    return GeneralizedRCNN(**{**defaults, **kwargs})


@pytest.mark.parametrize("fixture", CONFIGS)
def test_training_steps_lower_the_losses_of_its_batch(fixture, request, storage):
    model = build_calm_model(request.getfixturevalue(fixture))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    totals = []
    for _ in range(3):
        torch.manual_seed(0)
        losses = model(training_batch())
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert {"loss_rpn_cls", "loss_rpn_loc", "loss_mask"} <= set(losses)
    assert totals[-1] < totals[0]


@pytest.mark.parametrize("fixture", CONFIGS)
def test_detections_are_in_the_requested_size(fixture, request):
    model = build_calm_model(request.getfixturevalue(fixture)).eval()
    with torch.no_grad():
        outputs = model(
            [{k: v for k, v in x.items() if k != "instances"} for x in training_batch()]
        )
    height, width = (2 * side for side in IMAGE_SIZE_HW)
    for output in outputs:
        detections = output["instances"]
        assert detections.image_size == (height, width)
        assert 0 < len(detections) <= 5
        assert detections.pred_masks.shape[1:] == (height, width)
        assert bool(detections.pred_boxes.nonempty().all())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("fixture", CONFIGS)
def test_model_runs_on_gpu(fixture, request, storage):
    cfg = request.getfixturevalue(fixture)
    cfg.MODEL.DEVICE = "cuda"
    model = build_calm_model(cfg)
    losses = model(training_batch())
    sum(losses.values()).backward()
    assert all(bool(loss.isfinite()) and loss.is_cuda for loss in losses.values())
    with torch.no_grad():
        detections = model.eval()(training_batch())[0]["instances"]
    assert detections.pred_masks.is_cuda


def test_images_are_normalised_then_padded_with_zeros():
    images = make_frame().preprocess_image(
        [{"image": torch.full((3, 5, 16), 9)}, {"image": torch.full((3, 4, 9), 9)}]
    )
    assert images.tensor.shape == (2, 3, 8, 16)
    assert images.image_sizes == [(5, 16), (4, 9)]
    assert images.tensor[1, :, 0, 0].tolist() == [8, 3.5, 1.5]
    assert float(images.tensor[1, :, 4:].abs().sum() + images.tensor[1, :, :, 9:].abs().sum()) == 0


def test_pixel_statistics_are_not_in_the_state_dict():
    model = make_frame()
    assert model.state_dict() == {}
    assert model.pixel_mean.shape == (3, 1, 1)
    assert model.device == torch.device("cpu")


def test_raw_detections_are_in_the_network_input(fpn_cfg):
    model = build_model(fpn_cfg).eval()
    with torch.no_grad():
        (raw,) = model.inference(training_batch()[:1], do_postprocess=False)
    assert raw.image_size == IMAGE_SIZE_HW
    assert raw.pred_masks.shape[1:] == (1, 8, 8)


def test_model_can_be_copied(fpn_cfg):
    model = build_model(fpn_cfg).eval()
    twin = copy.deepcopy(model)
    inputs = training_batch()[:1]
    with torch.no_grad():
        torch.nn.init.zeros_(model.backbone.fpn_output2.weight)
        first, second = (m.backbone(m.preprocess_image(inputs).tensor)["p2"] for m in (model, twin))
    assert float(first.abs().sum()) == 0
    assert float(second.abs().sum()) > 0


def test_pixel_statistics_must_agree_in_length():
    with pytest.raises(ValueError, match="one value per channel, got 3 and 1 values"):
        make_frame(pixel_std=(1.0,))


def test_known_boxes_get_masks(fpn_cfg):
    model = build_model(fpn_cfg).eval()
    known = Instances(IMAGE_SIZE_HW, pred_boxes=Boxes(torch.tensor([[8.0, 8.0, 40.0, 40.0]])))
    known.pred_classes = torch.tensor([1])
    with torch.no_grad():
        (output,) = model.inference(training_batch()[:1], [known])
    # The inputs ask for twice their size.
    assert output["instances"].pred_boxes.tensor.tolist() == [[16, 16, 80, 80]]
    assert output["instances"].pred_masks.shape == (1, *(2 * side for side in IMAGE_SIZE_HW))
