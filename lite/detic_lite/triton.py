"""Print the config.pbtxt with which Triton Inference Server serves an exported detector.

    python -m detic_lite.triton m.onnx > models/detic/config.pbtxt
    cp m.onnx models/detic/1/model.onnx

The text encoder, m.text.onnx, is served likewise. Needs ONNX Runtime.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from detic_lite.errors import InputError, first_line
from detic_lite.runtimes import onnxruntime_session

_TYPES = {
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(float)": "TYPE_FP32",
    "tensor(int64)": "TYPE_INT64",
}


class Array(NamedTuple):
    """An input or output as ONNX Runtime describes it."""

    name: str
    type: str  # as tensor(float)
    shape: Sequence[int | str]  # a text names an axis that is free


def config(inputs: Iterable[Array], outputs: Iterable[Array]) -> str:
    """Return a config.pbtxt.

    Images differ in size, so that they are not put together to batches: the first axes of inputs and
    outputs, which Triton would take for that of a batch, are sides, classes and objects.
    """
    blocks = [*(_block("input", a) for a in inputs), *(_block("output", a) for a in outputs)]
    return "\n".join(['backend: "onnxruntime"', "max_batch_size: 0", *blocks, ""])


def _block(side: str, array: Array) -> str:
    dims = ", ".join(str(side if isinstance(side, int) else -1) for side in array.shape)
    return f'{side} {{ name: "{array.name}" data_type: {_TYPES[array.type]} dims: [ {dims} ] }}'


def describe(path: Path) -> str:
    """Return the config.pbtxt of an ONNX file.

    Raises:
        InputError: it cannot be read, is another program's, or ONNX Runtime is not installed.
    """
    try:
        session = onnxruntime_session(path)
    except ImportError as error:
        raise InputError("this needs the package onnxruntime; install it with pip") from error
    except Exception as error:  # ONNX Runtime has exceptions of its own
        raise InputError(f"{path} cannot be read as ONNX: {first_line(error)}") from error
    sides = session.get_inputs(), session.get_outputs()
    inputs, outputs = ([Array(a.name, a.type, a.shape) for a in side] for side in sides)
    for array in (*inputs, *outputs):
        if array.type not in _TYPES:
            raise InputError(
                f"{path} is no file of `detic export`, none of which has a {array.type} as {array.name} has"
            )
    return config(inputs, outputs)


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m detic_lite.triton",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="an .onnx file of `detic export`")
    try:
        sys.stdout.write(describe(Path(parser.parse_args().model)))
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
