import json
from dataclasses import fields
from pathlib import Path

import pytest

import detic
import detic_lite
from detic.export.metadata import FORMAT_VERSION, ExportMetadata
from detic_lite import runtimes
from detic_lite.errors import InputError
from detic_lite.metadata import FORMAT_VERSION as READ_VERSION
from detic_lite.metadata import ModelMetadata, parse_metadata


def test_all_that_is_needed_is_exported():
    written = {field.name: field.type for field in fields(ExportMetadata)}
    assert {field.name: field.type for field in fields(ModelMetadata)}.items() <= written.items()
    assert READ_VERSION == FORMAT_VERSION


def test_metadata_are_read(metadata):
    text = json.dumps(vars(metadata) | {"format_version": 1, "recipe": "other"})
    assert parse_metadata(text, Path("m.onnx")) == metadata


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "m.onnx does not say how its input is made"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format_version": 9}', "export of format 9"),
        ('{"format_version": 1}', "lacks text_encoder"),
    ],
)
def test_files_that_do_not_say_what_they_are_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_metadata(text, Path("m.onnx"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt", None),
        ("embedding_dim", 3.5),
        ("short_side_px", True),
        ("max_side_px", -1),
        ("channel_order", "GBR"),
        ("fixed_size_hw", [20]),
        ("fill_rgb", [1, 2, "3"]),
        ("fill_rgb", 1),
        ("default_threshold", "0.5"),
        ("one_class_per_box", 1),
    ],
)
def test_values_that_are_none_are_named(metadata, name, value):
    text = json.dumps(vars(metadata) | {"format_version": 1, name: value})
    with pytest.raises(InputError, match=rf"m\.onnx: its metadata are damaged \({name} is "):
        parse_metadata(text, Path("m.onnx"))


@pytest.mark.parametrize(
    ("name", "package"), [("m.onnx", "onnxruntime or openvino"), ("m.xml", "openvino")]
)
def test_a_missing_package_is_named(tmp_path, monkeypatch, name, package):
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None)
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=f"needs the package {package}; install"):
        runtimes.open_graph(tmp_path / name)


def test_it_has_the_version_of_the_project():
    assert detic_lite.__version__ == detic.__version__
