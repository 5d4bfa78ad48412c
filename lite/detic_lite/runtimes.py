"""Programs that run exported files: ONNX Runtime and OpenVINO."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from detic_lite.errors import InputError, first_line
from detic_lite.metadata import KEY


class Graph(NamedTuple):
    """A file that has been opened."""

    metadata: str | None  # in JSON; None: it has none
    run: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]  # inputs to outputs, by name


def open_graph(path: Path, num_threads: int | None = None) -> Graph:
    """Return what runs a file; threads may share it.

    Args:
        path: ``.onnx``, which ONNX Runtime runs or, where it is not installed, OpenVINO; or the
            ``.xml`` of OpenVINO.
        num_threads: of a run; None: as many as the program takes.

    Raises:
        InputError: the file cannot be read, or the package that runs it is missing.
    """
    if path.suffix not in RUNTIMES:
        raise InputError(f"{path} is no exported detector; name an .onnx or an .xml file")
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    packages = RUNTIMES[path.suffix]
    opener = next((opener for name, opener in packages.items() if find_spec(name)), None)
    if opener is None:
        raise InputError(
            f"{path} needs the package {' or '.join(packages)}; install it with "
            f"`pip install {next(iter(packages))}`"
        )
    try:
        return opener(path, num_threads)
    except Exception as error:  # each program has exceptions of its own
        raise InputError(f"{path} cannot be read ({first_line(error)}); export it again") from error


def _open_onnxruntime(path: Path, num_threads: int | None) -> Graph:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads or 0
    options.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, inputs), strict=True))

    return Graph(session.get_modelmeta().custom_metadata_map.get(KEY), run)


def _open_openvino(path: Path, num_threads: int | None) -> Graph:
    import openvino

    core = openvino.Core()
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    if num_threads is not None:
        options["INFERENCE_NUM_THREADS"] = num_threads
    model = core.read_model(path)
    compiled = core.compile_model(model, "CPU", options)
    names = [output.any_name for output in compiled.outputs]

    def run(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = compiled.infer_new_request(inputs)
        return {name: found[name].copy() for name in names}

    places = ([KEY], ["framework", KEY])  # of its own files, and of ONNX files
    texts = [model.get_rt_info(place).astype(str) for place in places if model.has_rt_info(place)]
    return Graph(next(iter(texts), None), run)


RUNTIMES: dict[str, dict[str, Callable[[Path, int | None], Graph]]] = {
    ".onnx": {"onnxruntime": _open_onnxruntime, "openvino": _open_openvino},
    ".xml": {"openvino": _open_openvino},
}
