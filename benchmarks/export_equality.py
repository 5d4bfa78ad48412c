"""Compare exported files with their detector: class counts x image sizes x formats.

    python benchmarks/export_equality.py --model shapes-detic
    python benchmarks/export_equality.py --model shapes-detic --files shapes.onnx shapes.xml

Without --files, the detector is exported in all formats first. Classes are names that are embedded by
the detector's text encoder: random vectors have nearly the same scores in all boxes.

Shapes: C classes, D embedding width.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from detic import Detector
from detic.export.description import Origin
from detic.export.exported_detector import ExportedDetector, open_exported
from detic.export.exporter import ExportParams, export_detector
from detic.export.formats import FORMATS
from detic.export.reference import look_through
from detic.export.verification import compare
from detic.images import read_image
from detic.paths import resource
from detic.vocabulary.builtin import builtin_vocabulary

CLASS_COUNTS = (1, 96, 1203, 22047)
# Of network inputs: as the recipe resizes images, wide, high, and smaller than any
SIZES_HW = ((1.0, 1.0), (1.0, 1.5), (1.4, 0.7), (0.26, 0.37))
THRESHOLD = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="shapes-detic", help="as of `detic export`")
    parser.add_argument("--files", nargs="+", type=Path, help="its exported files")
    parser.add_argument("--counts", nargs="+", type=int, default=CLASS_COUNTS, help="of classes")
    args = parser.parse_args()
    detector = Detector.from_pretrained(
        args.model, ["any"], device="cpu", score_threshold=THRESHOLD
    )
    with tempfile.TemporaryDirectory() as folder:
        files = args.files or list(export_all(detector, Path(folder)))
        exported = [open_exported(file) for file in files]
        for row in rows(detector, exported, args.counts):
            print(row, flush=True)


def export_all(detector: Detector, folder: Path) -> Iterator[Path]:
    for name, of in FORMATS.items():
        path = folder / f"model{of.suffix}"
        export_detector(detector, path, ExportParams(name), Origin("measured", ""))
        yield path


def rows(detector: Detector, exported: list[ExportedDetector], counts: list[int]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"{'classes':>7} {'height x width':>14} {'file':12} equal"
    side = exported[0].metadata.short_side_px
    for count in counts:
        embeddings = class_embeddings(detector, count)
        for height, width in SIZES_HW:
            image = network_input(round(height * side), round(width * side))
            masks = all(one.metadata.has_masks for one in exported)
            reference = look_through(detector.model, [image], embeddings, THRESHOLD, masks=masks)
            for one in exported:
                found = compare(reference, one.run)
                shape = "{} x {}".format(*image.shape[:2])
                yield f"{count:7} {shape:>14} {one.path.suffix:12} {found}"


def class_embeddings(detector: Detector, count: int) -> Tensor:
    """Return the embeddings of so many names: of drawn shapes, then of ImageNet-21K."""
    shapes = ["green gear", "yellow mug", "red star", "blue boat", "purple heart"]
    things = builtin_vocabulary("imagenet21k").names
    names = dict.fromkeys([*shapes, *things, *(f"small {name}" for name in things)])
    return detector.embed(list(names)[:count]).embeddings.float()


def network_input(height: int, width: int) -> Tensor:
    scene = read_image(resource("docs/pictures/scene.png"), "RGB")
    return torch.from_numpy(np.ascontiguousarray(cv2.resize(scene, (width, height))))


if __name__ == "__main__":
    main()
