import json
from copy import copy
from dataclasses import asdict

import pytest

from detic.errors import InputError
from detic.export.description import Origin, describe
from detic.export.metadata import metadata_from_json
from detic.loading.augmentation import EfficientDetResizeCrop
from detic.predictor.input_format import InputFormat


@pytest.fixture(scope="module")
def metadata(shapes_detector):
    return describe(shapes_detector(), Origin("Detic", "ab12"), masks=True)


def test_it_says_how_the_input_is_made(metadata):
    assert (metadata.channel_order, metadata.short_side_px, metadata.max_side_px) == (
        "RGB",
        128,
        256,
    )
    assert (metadata.size_divisibility, metadata.min_side_px) == (32, 1)
    assert metadata.fill_rgb == (124, 116, 104)
    assert metadata.pixel_mean == pytest.approx((123.675, 116.28, 103.53))


def test_it_says_which_text_encoder_classes_come_from_but_not_where_it_lies(metadata):
    assert (metadata.text_encoder, metadata.prompt) == ("clip_text.safetensors", "a {}")
    assert metadata.text_encoder_fingerprint
    assert "/" not in metadata.to_json()


def test_what_is_written_is_read(metadata):
    assert metadata_from_json(metadata.to_json(), "m.onnx") == metadata


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "m.onnx does not say how its input is made"),
        ("{", "m.onnx is an export of format '{'"),
        ("[]", "m.onnx is an export of format"),
        ('{"format_version": 2}', "m.onnx is an export of format 2, this version reads format 1"),
        ('{"format_version": 1}', "m.onnx: its metadata lacks detic_version, recipe"),
    ],
)
def test_what_cannot_be_read_is_refused(text, message):
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        metadata_from_json(text, "m.onnx")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text_encoder_fingerprint", 5),
        ("channel_order", ["RGB"]),
        ("pixel_mean", [1, None, 2]),
        ("fixed_size_hw", [64, -64]),
        ("verified", True),
    ],
)
def test_values_that_are_none_are_named(metadata, name, value):
    text = json.dumps(asdict(metadata) | {name: value})
    with pytest.raises(InputError, match=rf"m\.onnx: its metadata are damaged \({name} is "):
        metadata_from_json(text, "m.onnx")


def test_other_test_time_resizes_are_refused(shapes_detector):
    detector = copy(shapes_detector())
    detector.input_format = InputFormat([EfficientDetResizeCrop(64, (1, 1))], "RGB")
    with pytest.raises(InputError, match=r"set INPUT\.TEST_INPUT_TYPE to default"):
        describe(detector, Origin("Detic", ""), masks=True)
