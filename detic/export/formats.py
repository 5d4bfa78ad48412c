"""File formats of exported detectors: how they are written, and how they are run.

Shapes: H x W image, C classes, D embedding width.
"""

import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from detic.errors import InputError, unknown_choice
from detic.export.metadata import KEY, ExportMetadata
from detic.export.program import Inputs

_OPSET = 18
_PT2_FILE = f"{KEY}.json"  # beside the program in a .pt2 archive

# (image (H, W, 3) uint8, class_embeddings (C, D), thresholds (C,)) -> outputs by name
Run = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Format:
    """One format."""

    suffix: str
    written_by: tuple[str, ...]  # packages that writing a file needs beside torch
    run_by: tuple[str, ...]  # packages that running it needs beside torch
    write: Callable[[ExportedProgram, ExportMetadata, Path], None]
    open: Callable[[Path], tuple[str | None, Run]]  # to the metadata and what runs the file


def format_to_write(name: str) -> Format:
    """Return a format whose files can be written, and run to see whether they are right.

    Raises:
        InputError: there is none of this name, or a package is missing.
    """
    found = _find_format(name)
    _check_packages(name, (*found.written_by, *found.run_by))
    return found


def format_to_run(name: str) -> Format:
    """Return a format whose files can be run.

    Raises:
        InputError: there is none of this name, or a package is missing.
    """
    found = _find_format(name)
    _check_packages(name, found.run_by)
    return found


def _find_format(name: str) -> Format:
    if name not in FORMATS:
        raise unknown_choice("format", name, FORMATS)
    return FORMATS[name]


def _check_packages(format_name: str, packages: Sequence[str]) -> None:
    for package in packages:
        try:
            import_module(package)
        except ImportError as error:
            raise InputError(
                f"the format {format_name} needs the package {package}; install what exporting needs "
                "with `pip install 'detic[export]'`"
            ) from error


def _write_pt2(program: ExportedProgram, metadata: ExportMetadata, path: Path) -> None:
    torch.export.save(program, path, extra_files={_PT2_FILE: metadata.to_json()})


def _open_pt2(path: Path) -> tuple[str | None, Run]:
    if not zipfile.is_zipfile(path):  # torch would load its compiler first
        raise ValueError("it is no archive")
    extra: dict[str, Any] = {_PT2_FILE: ""}
    call = torch.export.load(path, extra_files=extra).module()

    def run(*inputs: np.ndarray) -> dict[str, np.ndarray]:
        with torch.no_grad():
            outputs = call(*(torch.from_numpy(np.ascontiguousarray(x)) for x in inputs))
        return {name: x.numpy() for name, x in outputs.items()}

    return extra[_PT2_FILE] or None, run


def as_onnx(program: ExportedProgram, metadata: ExportMetadata) -> Any:
    """Return the program of a detector as a model of onnx_ir, with named axes and metadata."""
    converted = to_onnx(program, Inputs._fields)
    _name_axes(converted.model)
    converted.model.metadata_props[KEY] = metadata.to_json()
    return converted


def to_onnx(program: ExportedProgram, input_names: Sequence[str]) -> Any:
    """Return a program as a model of onnx_ir, without where its nodes are from."""
    from torch import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        converted = onnx.export(
            program,
            dynamo=True,
            opset_version=_OPSET,
            input_names=input_names,
            output_names=output_names(program),
            verbose=False,
        )
    assert converted is not None
    _remove_traces(converted.model)
    return converted


def output_names(program: ExportedProgram) -> list[str]:
    """Return the names of a program's outputs, in their order."""
    spec = program.call_spec.out_spec
    assert spec is not None
    return list(spec.context)


def _write_onnx(program: ExportedProgram, metadata: ExportMetadata, path: Path) -> None:
    as_onnx(program, metadata).save(path, external_data=False)


def _name_axes(model: Any) -> None:
    """Name the free axes: torch numbers them."""
    from onnx_ir import Shape

    graph, image = model.graph, model.graph.inputs[0]
    if not isinstance(image.shape[0], int):
        image.shape = Shape(["height", "width", 3])
    for value in graph.inputs[1:]:
        value.shape = Shape(["classes", *value.shape[1:]])
    for value in graph.outputs:
        value.shape = Shape(["detections", *value.shape[1:]])


def _remove_traces(model: Any) -> None:
    model.doc_string = None
    graphs = [model.graph, *model.functions.values()]
    for graph in graphs:
        graph.metadata_props.clear()
        for value in (*graph.inputs, *graph.outputs, *graph.initializers.values()):
            value.metadata_props.clear()
        for node in graph.all_nodes():
            node.metadata_props.clear()
            node.doc_string = None
            for value in node.outputs:
                value.metadata_props.clear()


def _open_onnx(path: Path) -> tuple[str | None, Run]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(*inputs: np.ndarray) -> dict[str, np.ndarray]:
        found = session.run(names, dict(zip(Inputs._fields, inputs, strict=True)))
        return dict(zip(names, found, strict=True))

    return session.get_modelmeta().custom_metadata_map.get(KEY), run


def _write_openvino(program: ExportedProgram, metadata: ExportMetadata, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        onnx_file = Path(folder, "model.onnx")
        _write_onnx(program, metadata, onnx_file)
        onnx_to_openvino(onnx_file, metadata, path)


def onnx_to_openvino(onnx_file: Path, metadata: ExportMetadata, path: Path) -> None:
    """Write the .xml, and its weights as .bin beside it."""
    import openvino

    model = openvino.convert_model(onnx_file)
    model.set_rt_info(metadata.to_json(), [KEY])
    openvino.save_model(model, path, compress_to_fp16=False)


def _open_openvino(path: Path) -> tuple[str | None, Run]:
    import openvino

    core = openvino.Core()
    core.set_property("CPU", {"INFERENCE_NUM_THREADS": torch.get_num_threads()})
    core.set_property("CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    model = core.read_model(path)
    text = model.get_rt_info([KEY]).astype(str) if model.has_rt_info([KEY]) else None
    compiled = core.compile_model(model, "CPU")
    names = [output.any_name for output in compiled.outputs]

    def run(*inputs: np.ndarray) -> dict[str, np.ndarray]:
        found = compiled(dict(zip(Inputs._fields, inputs, strict=True)))
        return {name: found[name].copy() for name in names}

    return text, run


_ONNX_WRITERS = ("onnx", "onnxscript")
FORMATS = {
    "onnx": Format(".onnx", _ONNX_WRITERS, ("onnxruntime",), _write_onnx, _open_onnx),
    "openvino": Format(".xml", _ONNX_WRITERS, ("openvino",), _write_openvino, _open_openvino),
    "pt2": Format(".pt2", (), (), _write_pt2, _open_pt2),
}
