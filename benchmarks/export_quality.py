"""Measure the AP of exported files on a dataset.

    DETECTRON2_DATASETS=datasets python benchmarks/export_quality.py --model shapes-detic --files shapes.onnx shapes.xml

By default on the images of shapes_val, with the names of its classes embedded by the detector's text encoder.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from detectron2.data import MetadataCatalog
from detectron2.layers import paste_masks_in_image
from detectron2.structures import Boxes, Instances

from detic import Detector
from detic.evaluation.evaluation_set import EvaluationSet, category_ids, registered_set
from detic.evaluation.evaluator import instance_rows
from detic.evaluation.lvis_protocol import score_lvis
from detic.evaluation.results_reader import read_results
from detic.export.exported_detector import ExportedDetector, open_exported
from detic.images import read_image


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="shapes-detic", help="as of `detic export`")
    parser.add_argument("--files", nargs="+", type=Path, required=True, help="exported files")
    parser.add_argument("--dataset", default="shapes_val", help="scored as LVIS is")
    parser.add_argument("--threshold", type=float, default=0.01, help="of the scores")
    args = parser.parse_args()
    dataset = registered_set(args.dataset)
    detector = Detector.from_pretrained(
        args.model, MetadataCatalog.get(args.dataset).thing_classes, device="cpu"
    )
    for file in args.files:
        rows = list(all_rows(open_exported(file), detector, dataset, args.threshold))
        print(f"{file.name:24} {scores(dataset, rows)}", flush=True)


def all_rows(
    exported: ExportedDetector, detector: Detector, dataset: EvaluationSet, threshold: float
) -> Iterator[dict]:
    """Yield what is found in all images as rows of a results file."""
    embeddings = detector.vocabulary.embeddings.float().numpy()
    thresholds = np.full(len(embeddings), threshold, np.float32)
    for image_id, file in dataset.image_files().items():
        image = read_image(file, "BGR")
        resized = detector.input_format.model_input(image)["image"].permute(1, 2, 0)
        found = exported(resized.contiguous().numpy(), embeddings, thresholds)
        tensors = {name: torch.from_numpy(x) for name, x in found.items()}
        instances = as_instances(tensors, image.shape[:2], tuple(resized.shape[:2]))
        yield from instance_rows(image_id, instances, category_ids(dataset), with_masks=True)


def as_instances(
    found: dict[str, torch.Tensor], size_hw: tuple[int, int], resized_hw: tuple[int, int]
) -> Instances:
    """Return detections in an image that was resized, in pixels of the image."""
    scale = torch.tensor([size_hw[1] / resized_hw[1], size_hw[0] / resized_hw[0]]).repeat(2)
    boxes = found["boxes"] * scale
    return Instances(
        size_hw,
        pred_boxes=Boxes(boxes),
        scores=found["scores"],
        pred_classes=found["classes"],
        pred_masks=paste_masks_in_image(found["masks"], boxes, size_hw),
    )


def scores(dataset: EvaluationSet, rows: list[dict]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "results.json")
        path.write_text(json.dumps(rows))
        evaluation = score_lvis(dataset.annotations, read_results(path))
    return "  ".join(
        f"{task} AP {found['AP']:.2f} APr {found['APr']:.2f}"
        for task, found in evaluation.results().items()
    )


if __name__ == "__main__":
    main()
