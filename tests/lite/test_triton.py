import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from detic.paths import resource
from detic_lite import triton
from detic_lite.errors import InputError
from detic_lite.triton import Array, config, describe


def test_free_axes_are_not_those_of_batches():
    image = Array("image", "tensor(uint8)", ["height", "width", 3])
    classes = Array("classes", "tensor(int64)", ["detections"])
    assert config([image], [classes]).splitlines() == [
        'backend: "onnxruntime"',
        "max_batch_size: 0",
        'input { name: "image" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] }',
        'output { name: "classes" data_type: TYPE_INT64 dims: [ -1 ] }',
    ]


def test_what_is_no_onnx_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read as ONNX|needs the package onnxruntime"):
        describe(tmp_path / "m.onnx")


def test_files_of_other_programs_are_refused(monkeypatch):
    halves = Array("x", "tensor(float16)", ["n"])
    session = SimpleNamespace(get_inputs=lambda: [halves], get_outputs=list)
    monkeypatch.setattr(triton, "onnxruntime_session", lambda path: session)
    with pytest.raises(InputError, match=r"m\.onnx is no file of `detic export`.*float16"):
        describe(Path("m.onnx"))


@pytest.mark.slow
def test_all_inputs_and_outputs_are_there(exported):
    import onnx

    path = exported("onnx")
    graph = onnx.load(path).graph
    found = re.findall(
        r'(input|output) \{ name: "(\w+)" data_type: TYPE_(\w+) dims: \[ (.*) \] \}', describe(path)
    )
    names = {1: "FP32", 2: "UINT8", 7: "INT64"}  # of ONNX's types
    expected = [
        (
            side,
            value.name,
            names[value.type.tensor_type.elem_type],
            ", ".join(str(dim.dim_value or -1) for dim in value.type.tensor_type.shape.dim),
        )
        for side, values in (("input", graph.input), ("output", graph.output))
        for value in values
    ]
    assert found == expected
    assert describe(path) in Path(resource("docs/export.md")).read_text()
