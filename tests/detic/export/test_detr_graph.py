"""A graph of Deformable DETR finds what the model finds, before it is exported."""

import numpy as np
import pytest
import torch
from torch import nn

from detic.export.exporter import build_graph
from detic.export.program import as_in_a_graph
from detic.export.reference import detect, look_through, typical_classes
from detic.export.verification import compare
from detic.modeling import build_detector
from detic.modeling.detr.attention import DeformableAttention
from detic.paths import resource
from detic.predictor.inference_config import DetectionParams, inference_config
from detic.recipes import load_recipe

QUERIES = 60
ONE_STAGE = ["MODEL.DETR.TWO_STAGE", "False"]
KINDS = {
    "two stages": [],
    "one stage": ONE_STAGE,
    "without refinement": [*ONE_STAGE, "MODEL.DETR.WITH_BOX_REFINE", "False"],
}


def make_model(*overrides, one_class=True):
    """A small model of random weights whose boxes and classes differ."""
    overrides = [*overrides, "MODEL.DETR.NUM_OBJECT_QUERIES", str(QUERIES)]
    cfg = load_recipe(resource("configs/shapes/DETR.yaml"), overrides)
    params = DetectionParams(score_threshold=0.0, one_class_per_proposal=one_class)
    torch.manual_seed(0)
    model = build_detector(inference_config(cfg, params, torch.device("cpu"))).eval()
    for head in model.detr.bbox_embed:
        nn.init.normal_(head.layers[-1].weight, std=0.2)
    for module in model.modules():
        if isinstance(module, DeformableAttention):
            nn.init.normal_(module.sampling_offsets.weight, std=0.05)
    return model


def noise(*size_hw):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (*size_hw, 3), dtype=torch.uint8, generator=generator)


def run_of(model):
    """The graph of a model as the file of one runs."""
    graph = build_graph(model, masks=False)

    def run(*inputs):
        with torch.no_grad(), as_in_a_graph():
            outputs = graph(*map(torch.from_numpy, inputs))
        return {name: x.numpy() for name, x in outputs.items()}

    return run


@pytest.mark.parametrize("one_class", [True, False])
@pytest.mark.parametrize("overrides", KINDS.values(), ids=KINDS)
def test_it_finds_what_the_model_finds(overrides, one_class):
    model = make_model(*overrides, one_class=one_class)
    images = [noise(96, 128), noise(23, 33)]  # which has fewer cells than there are queries
    classes = typical_classes(model, images[0], 64)
    for threshold in (0.0, 0.01):
        reference = look_through(model, images, classes, threshold)
        agreement = compare(reference, run_of(model))
        assert agreement.num_matched == agreement.num_objects > 10


def test_regions_have_the_embeddings_that_the_model_gives_them():
    model, image = make_model(), noise(96, 128)
    classes = typical_classes(model, image, 64)
    expected = detect(model, image, classes, torch.zeros(len(classes)))
    found = run_of(model)(image.numpy(), classes.numpy(), np.zeros(len(classes), np.float32))
    np.testing.assert_allclose(found["region_embeddings"], expected.region_embeddings, atol=1e-5)


def test_nothing_above_the_thresholds_gives_empty_outputs():
    found = run_of(make_model())(
        noise(64, 64).numpy(), np.ones((3, 64), np.float32), np.ones(3, np.float32)
    )
    shapes = {name: tuple(x.shape) for name, x in found.items()}
    expected = {"boxes": (0, 4), "scores": (0,), "classes": (0,), "region_embeddings": (0, 64)}
    assert shapes == expected
