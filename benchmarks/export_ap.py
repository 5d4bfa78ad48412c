"""Measure the AP of a detector and of its exported files, in percent.

    DETECTRON2_DATASETS=datasets python benchmarks/export_ap.py --model shapes-detic --files shapes.onnx shapes.xml

By default on the images of shapes_val, with the names of its classes embedded by the detector's text
encoder.

Shapes: H x W image, C classes, D embedding width.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

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
from detic.export.exported_detector import ExportedDetector, open_exported
from detic.export.exporter import network_input
from detic.images import read_image
from detic.modeling.request import DetectionRequest, RequestedClasses
from detic.modeling.roi_heads.classifier import class_columns

THRESHOLD = 0.01

# Image (H, W, 3) uint8 in BGR, class embeddings (C, D) -> detections in its pixels
Detect = Callable[[np.ndarray, Tensor], Instances]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="shapes-detic", help="as of `detic export`")
    parser.add_argument("--files", nargs="+", type=Path, required=True, help="exported files")
    parser.add_argument("--dataset", default="shapes_val", help="scored as LVIS is")
    args = parser.parse_args()
    detector = Detector.from_pretrained(
        args.model, ["any"], device="cpu", score_threshold=THRESHOLD
    )
    exported = [open_exported(file) for file in args.files]
    for row in ap_rows(detector, exported, args.dataset):
        print(row, flush=True)


def ap_rows(
    detector: Detector, exported: list[ExportedDetector], dataset_name: str
) -> Iterator[str]:
    """Yield the AP of the detector and of each file, in percent."""
    dataset = registered_set(dataset_name)
    classes = detector.embed(MetadataCatalog.get(dataset_name).thing_classes).embeddings.float()
    detects: dict[str, Detect] = {"detector": partial(by_detector, detector)}
    detects |= {one.path.name: partial(by_file, one, detector) for one in exported}
    for name, detect in detects.items():
        found = list(result_rows(dataset, partial(detect, embeddings=classes)))
        yield f"{name:24} {scores(dataset, found)}"


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
    resized = network_input(detector, image)
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
    return "  ".join(
        f"{task} AP {of_task['AP']:.2f} APr {of_task['APr']:.2f}"
        for task, of_task in results.items()
    )


if __name__ == "__main__":
    main()
