import json

import numpy as np
import pytest
import timm
import torch

from detic.modeling.backbone.tiny_resnet import BACKBONE_NAME
from detic.shapes.classes import draw_classes
from detic.shapes.crops import draw_objects
from detic.shapes.looks import LOOKS
from detic.shapes.retrieval import embed_objects, nearest_text
from detic.shapes.streams import Stream
from detic.shapes.tiny_clip import (
    DETECTOR_PREFIX,
    Recipe,
    draw_batch,
    main,
    make_tiny_clip,
    train_tiny_clip,
)
from detic.vocabulary.text_encoder import load_text_encoder

QUICK = Recipe(train_scenes=8, test_scenes=12, iterations=2, batch_size=6, warmup=1)


@pytest.fixture(scope="module")
def output(tiny_world_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    make_tiny_clip(tiny_world_root, folder, seed=0, recipe=QUICK, progress=False)
    return folder


def test_text_encoder_loads_as_any_clip(output):
    encoder = load_text_encoder(output / "clip_text.safetensors")
    assert encoder(["a red star", "a blue key"]).shape == (2, 64)
    assert (output / "clip_text.safetensors").stat().st_size < 1.5e6


def test_trunk_loads_into_the_detectors_backbone(output):
    weights = torch.load(output / "clip_backbone.pth", weights_only=True)["model"]
    model = timm.create_model(BACKBONE_NAME, features_only=True, out_indices=(2, 3, 4))
    expected = [name for name in model.state_dict() if not name.endswith("num_batches_tracked")]
    assert list(weights) == [DETECTOR_PREFIX + name for name in expected]


def test_report_has_a_share_for_every_group(output):
    report = json.loads((output / "clip_report.json").read_text())
    assert set(report["retrieval"]) == {"all", "base", "novel", "misspelt", "synonyms"}
    assert all(0 <= share <= 1 for share in report["retrieval"].values())
    assert report["classes"] == 12
    assert sorted(path.name for path in output.iterdir()) == [
        "clip_backbone.pth",
        "clip_report.json",
        "clip_text.safetensors",
    ]


def test_a_few_steps_learn_the_looks():
    recipe = Recipe(train_scenes=60, iterations=25, batch_size=24, warmup=5)
    clip = train_tiny_clip(recipe, seed=0, progress=False)
    classes = draw_classes(0)
    objects = draw_objects(classes, 20, 1, Stream.CAPTION_TEST_SCENES)
    truth = [LOOKS.index(classes[place].look) for place in objects.class_index]
    features = embed_objects(clip.image_tower, objects)
    named = nearest_text(features, clip.text_encoder, [f"{look} thing" for look in LOOKS])
    assert (named == truth).mean() > 0.5  # chance is 0.2


def test_training_is_repeatable_and_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    first, second = (train_tiny_clip(QUICK, seed=1, progress=False) for _ in range(2))
    torch.testing.assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), state)


def test_no_batch_shows_a_class_twice():
    classes = draw_classes(0, ("star", "key"))
    objects = draw_objects(classes, 20, 0, Stream.CAPTION_SCENES)
    crops, captions = draw_batch(objects, classes, 128, np.random.default_rng(0))
    assert len(crops) == len(captions) == len(classes)


@pytest.mark.parametrize(
    ("iteration", "rate"),
    [(0, 0.1), (50, 0.5), (99, 0.000247)],  # first of ten warm-up steps, half-way, last
)
def test_learning_rate_rises_then_falls_along_a_cosine(iteration, rate):
    recipe = Recipe(iterations=100, warmup=10)
    assert recipe.rate_at(iteration) == pytest.approx(rate, rel=0.01)


def test_missing_world_is_reported_by_the_command_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--root", str(tmp_path), "--output", str(tmp_path)])
    assert "no shapes world at" in capsys.readouterr().err
