"""Time the scoring of detections, next to the lvis package on the same files.

    python benchmarks/evaluation_speed.py --images 5000 --tasks bbox segm
    python benchmarks/evaluation_speed.py --images 5000 --tasks bbox segm --without-lvis
    python benchmarks/evaluation_speed.py --images 5000 --openimages

Annotations and detections are made up after LVIS: 12 objects in an image, 1203 classes of very
different frequency. Most detections have another class than the object they are on (--right-share),
because an object keeps few of its own class after suppression. Both sides start from files and end
with the metrics, which have to agree in all digits. The lvis package (0.5.3) needs a name that
numpy removed; it is put back here. For 5000 images it takes a few minutes for each task.
"""

import argparse
import json
import logging
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from hotcoco import mask as rle
from tqdm import tqdm

from detic.evaluation.lvis_protocol import score_lvis
from detic.evaluation.openimages_protocol import score_openimages
from detic.evaluation.prediction_log import PredictionLog
from detic.evaluation.results_file import ResultsFile
from detic.result_rows import ResultRows

NUM_LVIS_CLASSES, NUM_OPENIMAGES_CLASSES = 1203, 500
OBJECTS_PER_IMAGE = 12
NEGATIVES_PER_IMAGE = 10
HEIGHT, WIDTH = 480, 640


def main() -> None:
    args = parse_arguments()
    logging.disable(logging.WARNING)
    rng = np.random.default_rng(0)
    num_classes = NUM_OPENIMAGES_CLASSES if args.openimages else NUM_LVIS_CLASSES
    with tempfile.TemporaryDirectory() as folder:
        ground_truth = made_up_annotations(rng, args.images, num_classes)
        annotation_file = Path(folder) / "annotations.json"
        annotation_file.write_text(json.dumps(ground_truth))
        log = PredictionLog(Path(folder) / "log", run={})
        log.start()
        of_images = groupby(ground_truth["annotations"], key=lambda a: a["image_id"])
        progress = tqdm(of_images, "making detections", args.images, unit="image")
        for _, annotations in progress:
            log.append(made_up_detections(rng, list(annotations), num_classes, args))
        results, gathering = timed(lambda: log.finish(Path(folder) / "results.json"))
        size_mb = results.path.stat().st_size / 1e6
        print(f"{len(results):,} detections, {size_mb:.0f} MB; gathered in {gathering}")
        if args.openimages:
            time_openimages(annotation_file, results)
        else:
            time_lvis(annotation_file, results, args)


def time_openimages(annotation_file: Path, results: ResultsFile) -> None:
    evaluation, ours = timed(
        lambda: score_openimages(annotation_file, results, ["bbox"], hierarchy_file=None)
    )
    metrics = evaluation.tasks["bbox"].metrics
    print(f"Open Images: {ours}, AP50 {metrics['AP50']:.6f}, peak {peak_memory_gb():.1f} GB")


def time_lvis(annotation_file: Path, results: ResultsFile, args: argparse.Namespace) -> None:
    evaluation, ours = timed(lambda: score_lvis(annotation_file, results, args.tasks))
    print(f"ours: {ours} for {' and '.join(args.tasks)}, peak {peak_memory_gb():.1f} GB")
    theirs = Seconds(0, 0)
    for task in args.tasks:
        metrics = evaluation.tasks[task].metrics
        print(f"ours: {task} AP {metrics['AP']:.6f}, APr {metrics['APr']:.6f}")
        if args.without_lvis:
            continue
        original, of_task = timed(
            lambda task=task: lvis_metrics(annotation_file, results.path, task)
        )
        theirs += of_task
        difference = max(abs(original[name] - value) for name, value in metrics.items())
        print(f"lvis: {of_task} for {task}; {len(metrics)} metrics differ by {difference:.1e}")
    if not args.without_lvis:
        print(
            f"lvis takes {theirs.wall / ours.wall:.0f} times as long, {theirs.cpu / ours.cpu:.0f} in CPU time"
        )


def lvis_metrics(annotation_file: Path, results_file: Path, task: str) -> dict[str, float]:
    """Return the metrics of the lvis package in percent."""
    import lvis

    np.float = float
    dropped = "bbox" if task == "segm" else "segmentation"
    rows = json.loads(results_file.read_text())
    for row in rows:
        row.pop(dropped, None)
    ground_truth = lvis.LVIS(str(annotation_file))
    evaluation = lvis.LVISEval(ground_truth, lvis.LVISResults(ground_truth, rows), task)
    evaluation.run()
    return {name: 100 * value for name, value in evaluation.get_results().items()}


def made_up_annotations(rng: np.random.Generator, num_images: int, num_classes: int) -> dict:
    """Return annotations in LVIS's format that Open Images' evaluation can read as well."""
    weights = 1 / np.arange(1, num_classes + 1)
    images, annotations = [], []
    for image_id in range(1, num_images + 1):
        count = int(rng.integers(OBJECTS_PER_IMAGE // 2, OBJECTS_PER_IMAGE * 3 // 2 + 1))
        classes = rng.choice(num_classes, count, p=weights / weights.sum()) + 1
        boxes = np.concatenate(
            (
                rng.uniform(0, (0.8 * WIDTH, 0.8 * HEIGHT), (count, 2)),
                rng.uniform(8, (0.2 * WIDTH, 0.2 * HEIGHT), (count, 2)),
            ),
            axis=1,
        )
        for category_id, box in zip(classes.tolist(), boxes.tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category_id,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "segmentation": [corners(box)],
                    "iscrowd": 0,
                }
            )
        present = set(classes.tolist())
        negative = set(rng.integers(1, num_classes + 1, NEGATIVES_PER_IMAGE).tolist()) - present
        images.append(
            {
                "id": image_id,
                "height": HEIGHT,
                "width": WIDTH,
                "pos_category_ids": sorted(present),
                "neg_category_ids": sorted(negative),
                "not_exhaustive_category_ids": [c for c in sorted(present) if rng.random() < 0.1],
            }
        )
    categories = [
        {
            "id": number,
            "name": f"class {number}",
            "frequency": "fcr"[3 * number // (num_classes + 1)],
        }
        for number in range(1, num_classes + 1)
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def made_up_detections(
    rng: np.random.Generator, near: list[dict], num_classes: int, args: argparse.Namespace
) -> ResultRows:
    """Return detections around the objects `near` of an image."""
    chosen = rng.integers(0, len(near), args.detections)
    right = np.array([annotation["category_id"] for annotation in near])[chosen]
    wrong = rng.integers(1, num_classes + 1, args.detections)
    boxes = np.array([annotation["bbox"] for annotation in near])[chosen]
    boxes += rng.normal(0, 5, boxes.shape)
    boxes = np.concatenate((np.maximum(boxes[:, :2], 0), np.maximum(boxes[:, 2:], 4)), axis=1)
    boxes = boxes.astype(np.float32).tolist()
    masks = None
    if "segm" in args.tasks:
        encoded = [rle.fr_poly(corners(box), HEIGHT, WIDTH) for box in boxes]
        masks = [{"size": m["size"], "counts": m["counts"].decode()} for m in encoded]
    return ResultRows(
        image_id=near[0]["image_id"],
        category_ids=np.where(
            rng.random(args.detections) < args.right_share, right, wrong
        ).tolist(),
        scores=rng.random(args.detections, dtype=np.float32).tolist(),
        boxes_xywh=boxes,
        masks=masks,
    )


def corners(box: list[float]) -> list[float]:
    """Return the rectangle of an XYWH box as a polygon."""
    x, y, width, height = box
    return [x, y, x + width, y, x + width, y + height, x, y + height]


@dataclass(frozen=True)
class Seconds:
    """How long something took; CPU time tells more on a machine that does other things too."""

    wall: float
    cpu: float  # of all threads

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)

    def __str__(self) -> str:
        return f"{self.wall:.1f} s ({self.cpu:.1f} s CPU)"


def timed(function: Callable) -> tuple[Any, Seconds]:
    """Return what a function returns, and how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def peak_memory_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=500, help="number of images (default 500)")
    parser.add_argument("--detections", type=int, default=300, help="per image (default 300)")
    parser.add_argument(
        "--tasks", nargs="+", choices=("bbox", "segm"), default=["bbox"], help="default bbox"
    )
    parser.add_argument(
        "--right-share",
        type=float,
        default=0.15,
        help="share of detections with the class of their object (default 0.15); the more, the "
        "smaller the lead over lvis",
    )
    parser.add_argument("--openimages", action="store_true", help="time Open Images' protocol")
    parser.add_argument("--without-lvis", action="store_true", help="time ours alone")
    return parser.parse_args()


if __name__ == "__main__":
    main()
