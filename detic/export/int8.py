"""Graphs whose convolutions compute with integers of 8 bits, by ONNX Runtime's static quantisation.

The range of a map, which 256 steps are laid over, is measured on sample images.

Shapes: H x W image, C classes, D embedding width, N and M detections, h x w window of an image.
"""

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from detectron2.structures import Boxes, pairwise_iou
from torch.export import ExportedProgram

from detic.errors import InputError
from detic.export.formats import FORMATS, Run, onnx_to_openvino
from detic.export.metadata import ExportMetadata
from detic.export.program import Inputs
from detic.export.reference import Found, Reference, pasted
from detic.image_sources import several_images

MAX_SAMPLES = 64  # images that ranges are measured on
MAX_VERIFIED = 8  # of them, which are compared with the detector
MIN_MATCHED_SHARE = 0.9  # of the best objects, which have to be found by both
MIN_OVERLAP = 0.5  # IoU of boxes and of masks that are of one object
MIN_SIMILARITY = 0.9  # cosine of region embeddings that are of one object
# Of linear layers: narrower ones are the last of their heads, and quick.
_MIN_LINEAR_WIDTH = 2048
# They stay in integers between operators that do.
_PASS_INTEGERS_ON = {"Relu", "MaxPool", "Add"}
_LINEAR = {"Gemm", "MatMul"}


def _copy(quantised: Path, metadata: ExportMetadata, path: Path) -> None:
    shutil.copyfile(quantised, path)


# From the quantised ONNX file to that of a format
_FINISH: dict[str, Callable[[Path, ExportMetadata, Path], None]] = {
    "onnx": _copy,
    "openvino": onnx_to_openvino,
}
INT8_FORMATS = tuple(_FINISH)


@dataclass(frozen=True)
class RoughAgreement:
    """How many of the best objects of a file and its detector are found by the other, too."""

    num_objects: int
    num_matched: int

    def __str__(self) -> str:
        return f"{self.num_matched} of {self.num_objects} of the best objects are found by both"


def compare_roughly(reference: Reference, run: Run) -> RoughAgreement:
    """Return how many of the best objects of a detector and its file are found by the other, too.

    They score at least half as much as the best of their image. The other's object has the same class,
    overlaps, and has a similar region embedding. Its score differs by a fifth of the best at most.
    """
    pairs = zip(reference.found, reference.outputs_of(run), strict=True)
    found_by_both = np.concatenate([_found_by_both(*pair) for pair in pairs])
    return RoughAgreement(len(found_by_both), int(found_by_both.sum()))


def num_best_objects(reference: Reference) -> int:
    """Return how many objects of a detector score at least half as much as the best of their image."""
    scores = (found["scores"] for found in reference.found)
    return sum(int((of >= of.max(initial=0) / 2).sum()) for of in scores)


def roughly_verified_in_words(reference: Reference) -> str:
    """Return what is known of a file in which both find `MIN_MATCHED_SHARE` of the best objects."""
    of_what = "boxes and masks" if reference.has_masks else "boxes"
    return (
        f"{MIN_MATCHED_SHARE:.0%} of the objects that score at least half as much as the best of their "
        f"image are found by file and detector, which finds {num_best_objects(reference)} of them: of the same "
        f"class, with IoU of {of_what} above {MIN_OVERLAP}, region embeddings of cosine above {MIN_SIMILARITY}, and "
        f"scores that differ by a fifth of the best at most; in {len(reference.images)} of the images that "
        "ranges were measured on"
    )


def _found_by_both(expected: Found, found: Found) -> np.ndarray:
    """Return of which of the best objects of each there is one among all of the other, bool."""
    best = max([*expected["scores"], *found["scores"]], default=0)
    boxes = (Boxes(torch.from_numpy(of["boxes"])) for of in (expected, found))
    is_same = pairwise_iou(*boxes).numpy() > MIN_OVERLAP  # (N, M)
    is_same &= np.abs(expected["scores"][:, None] - found["scores"]) <= best / 5
    is_same &= expected["classes"][:, None] == found["classes"]
    is_same &= expected["region_embeddings"] @ found["region_embeddings"].T > MIN_SIMILARITY
    if "masks" in expected:
        for row, other in zip(*np.nonzero(is_same), strict=True):
            is_same[row, other] = _mask_overlap(expected, row, found, other) > MIN_OVERLAP
    of_one, of_other = is_same.any(axis=1), is_same.any(axis=0)
    return np.concatenate(
        [of_one[expected["scores"] >= best / 2], of_other[found["scores"] >= best / 2]]
    )


def _mask_overlap(expected: Found, row: int, found: Found, other: int) -> float:
    """Return the IoU of the masks of two detections as if they had the same box."""
    mask = expected["masks"][row]  # (h, w)
    other_mask = pasted(found["masks"][other], expected["boxes"][row], mask.shape)
    either = np.count_nonzero(mask | other_mask)
    return np.count_nonzero(mask & other_mask) / either if either else 1.0


def sample_files(folder: Path) -> list[Path]:
    """Return images of a folder, `MAX_SAMPLES` at most, from all over it.

    Raises:
        InputError: there are none.
    """
    files = several_images(folder)
    if files is None:
        raise InputError(f"{folder} is no folder; --int8 takes a folder of sample images")
    paths = [Path(str(file)) for file in files]
    chosen = np.linspace(0, len(paths) - 1, min(len(paths), MAX_SAMPLES)).round().astype(int)
    return [paths[i] for i in chosen]


def check_int8(format_name: str) -> None:
    """Raise InputError if a format has no files with integers."""
    if format_name not in INT8_FORMATS:
        raise InputError(
            f"there is no int8 in files of format {format_name}; choose one of {', '.join(INT8_FORMATS)}"
        )


def write_int8(
    program: ExportedProgram,
    metadata: ExportMetadata,
    samples: Sequence[tuple[np.ndarray, ...]],
    format_name: str,
    path: Path,
) -> None:
    """Write a program with integers.

    Args:
        samples: what the program may be called with, `Inputs` each; some objects have to be found.
        format_name: onnx or openvino.
    """
    with TemporaryDirectory() as folder:
        exact = Path(folder, "exact.onnx")
        FORMATS["onnx"].write(program, metadata, exact)
        with_integers(exact, metadata, samples, format_name, path)


def with_integers(
    exact: Path,
    metadata: ExportMetadata,
    samples: Sequence[tuple[np.ndarray, ...]],
    format_name: str,
    path: Path,
) -> None:
    """Write an ONNX file with integers, in one of `INT8_FORMATS`."""
    with TemporaryDirectory() as folder:
        quantised = Path(folder, "int8.onnx")
        _quantise(exact, samples, quantised)
        _FINISH[format_name](quantised, metadata, path)


def _quantise(exact: Path, samples: Sequence[tuple[np.ndarray, ...]], path: Path) -> None:
    import onnx
    from onnxruntime import quantization

    nodes = onnx.load(exact).graph
    with _warnings_muted():
        quantization.quantize_static(
            exact,
            path,
            _reader(samples),
            nodes_to_quantize=quantised_nodes(nodes),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )


def _reader(samples: Sequence[tuple[np.ndarray, ...]]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.remaining = iter(samples)

        def get_next(self) -> dict[str, np.ndarray] | None:
            sample = next(self.remaining, None)
            return None if sample is None else dict(zip(Inputs._fields, sample, strict=True))

    return Reader()


def quantised_nodes(graph: Any) -> list[str]:
    """Return the names of the nodes that compute with integers.

    They are convolutions, what follows them, and the wide linear layers, with which box heads begin.

    Args:
        graph: of onnx, its nodes in order.
    """
    widths = {weight.name: max(weight.dims, default=0) for weight in graph.initializer}
    names: list[str] = []
    results: set[str] = set()
    for node in graph.node:
        if node.op_type in _PASS_INTEGERS_ON:
            is_chosen = results.issuperset(node.input)
        elif node.op_type in _LINEAR:
            is_chosen = widths.get(node.input[1], 0) > _MIN_LINEAR_WIDTH
        else:
            is_chosen = node.op_type == "Conv"
        if is_chosen:
            names.append(node.name)
            results.update(node.output)
    return names


@contextmanager
def _warnings_muted() -> Iterator[None]:
    """Mute the advice to simplify graphs beforehand, which torch has done."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(previous)
