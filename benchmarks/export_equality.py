"""Compare exported files with their detector: class counts x image sizes x formats, or by AP.

    python benchmarks/export_equality.py --model shapes-detic
    python benchmarks/export_equality.py --model shapes-detic --files shapes.onnx shapes.xml
    python benchmarks/export_equality.py --model shapes-detic --files shapes.onnx --dataset shapes_val

Without --files, the detector is exported in all formats first. Classes are names that are embedded by
the detector's text encoder: random vectors have nearly the same scores in all boxes. With --dataset,
the AP of the detector and of the files are printed instead.

Shapes: H x W image, C classes, N detections, S side of a mask.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from detectron2.data import MetadataCatalog
from detectron2.layers import paste_masks_in_image
from detectron2.structures import Boxes, Instances
from torch import Tensor

from detic import Detector
from detic.evaluation.evaluation_set import EvaluationSet, category_ids, registered_set
from detic.evaluation.evaluator import instance_rows
from detic.evaluation.lvis_protocol import score_lvis
from detic.evaluation.results_reader import read_results
from detic.export.description import Origin
from detic.export.exported_detector import ExportedDetector, open_exported
from detic.export.exporter import ExportParams, export_detector
from detic.export.formats import FORMATS
from detic.export.verification import compare
from detic.images import read_image
from detic.modeling.request import DetectionRequest, RequestedClasses
from detic.modeling.roi_heads.classifier import class_columns
from detic.paths import resource
from detic.vocabulary.builtin import builtin_vocabulary

CLASS_COUNTS = (1, 96, 1203, 22047)
# Of network inputs: as the recipe resizes images, wide, high, and smaller than any
SIZES_HW = ((1.0, 1.0), (1.0, 1.5), (1.4, 0.7), (0.26, 0.37))
THRESHOLD = 0.02

# Image (H, W, 3) uint8 in BGR, class embeddings (C, D) -> detections in its pixels
Detect = Callable[[np.ndarray, Tensor], Instances]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="shapes-detic", help="as of `detic export`")
    parser.add_argument("--files", nargs="+", type=Path, help="its exported files")
    parser.add_argument("--counts", nargs="+", type=int, default=CLASS_COUNTS, help="of classes")
    parser.add_argument("--dataset", help="compare AP there; scored as LVIS is")
    args = parser.parse_args()
    detector = Detector.from_pretrained(
        args.model, ["any"], device="cpu", score_threshold=THRESHOLD
    )
    with tempfile.TemporaryDirectory() as folder:
        files = args.files or list(export_all(detector, Path(folder)))
        exported = [open_exported(file) for file in files]
        for row in (
            rows(detector, exported, args.counts)
            if args.dataset is None
            else ap_rows(detector, exported, args.dataset)
        ):
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
            for one in exported:
                found = compare(detector.model, one.run, [image], embeddings, THRESHOLD)
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


def ap_rows(
    detector: Detector, exported: list[ExportedDetector], dataset_name: str
) -> Iterator[str]:
    """Yield the AP of the detector and of each file, in percent."""
    dataset = registered_set(dataset_name)
    classes = detector.embed(MetadataCatalog.get(dataset_name).thing_classes).embeddings.float()
    detects: dict[str, Detect] = {"detector": partial(by_detector, detector)}
    detects |= {one.path.suffix: partial(by_file, one, detector) for one in exported}
    for name, detect in detects.items():
        found = list(result_rows(dataset, partial(detect, embeddings=classes)))
        yield f"{name:12} {scores(dataset, found)}"


def result_rows(
    dataset: EvaluationSet, detect: Callable[[np.ndarray], Instances]
) -> Iterator[dict]:
    """Yield what is found in all images as rows of a results file."""
    ids = category_ids(dataset)
    for image_id, file in dataset.image_files().items():
        yield from instance_rows(image_id, detect(read_image(file, "BGR")), ids, with_masks=True)


def by_detector(detector: Detector, image: np.ndarray, embeddings: Tensor) -> Instances:
    columns = class_columns(detector.model.classifier, embeddings)
    classes = RequestedClasses(columns, torch.full((len(embeddings),), THRESHOLD))
    inputs = [detector.input_format.model_input(image)]
    return detector.model.inference(inputs, DetectionRequest(classes=classes))[0]["instances"]


def by_file(
    exported: ExportedDetector, detector: Detector, image: np.ndarray, embeddings: Tensor
) -> Instances:
    resized = detector.input_format.model_input(image)["image"].permute(1, 2, 0).contiguous()
    thresholds = np.full(len(embeddings), THRESHOLD, np.float32)
    outputs = exported(resized.numpy(), embeddings.numpy(), thresholds)
    found = {name: torch.from_numpy(x) for name, x in outputs.items()}
    size_hw = image.shape[:2]
    height, width = (
        side / of_input for side, of_input in zip(size_hw, resized.shape, strict=False)
    )
    boxes = found["boxes"] * torch.tensor([width, height, width, height])
    return Instances(
        size_hw,
        pred_boxes=Boxes(boxes),
        scores=found["scores"],
        pred_classes=found["classes"],
        pred_masks=paste_masks_in_image(found["masks"], boxes, size_hw),
    )


def scores(dataset: EvaluationSet, found: Iterable[dict]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "results.json")
        path.write_text(json.dumps(list(found)))
        evaluation = score_lvis(dataset.annotations, read_results(path))
    results = evaluation.results()
    return "  ".join(f"{task} AP {of_task['AP']:.3f}" for task, of_task in results.items())


if __name__ == "__main__":
    main()
