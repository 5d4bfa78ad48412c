import json

import pytest

from detic.errors import InputError
from detic.export.description import Origin, describe
from detic.export.metadata import metadata_from_json


@pytest.fixture(scope="module")
def metadata(shapes_detector):
    return describe(shapes_detector(), Origin("Detic", "ab12"), masks=True, fixed_size_hw=None)


def test_it_says_how_the_input_is_made(metadata):
    assert (metadata.channel_order, metadata.short_side_px, metadata.max_side_px) == (
        "RGB",
        128,
        256,
    )
    assert (metadata.size_divisibility, metadata.min_long_side_px) == (32, 33)
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


def test_of_a_fixed_size_it_says_what_images_are_filled_up_with(shapes_detector):
    metadata = describe(shapes_detector(), Origin("Detic", ""), masks=False, fixed_size_hw=(64, 96))
    assert json.loads(metadata.to_json())["fixed_size_hw"] == [64, 96]
    assert metadata.letterbox_rgb == (124, 116, 104)
