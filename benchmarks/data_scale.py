"""Measure how long a training takes to begin with data of the size of LVIS and ImageNet.

    python benchmarks/data_scale.py
    python benchmarks/data_scale.py --scale 1 --against ../other_checkout

The data are made up: at scale 1 there are 100 170 images with 1.27 million polygons (0.9 GB of JSON)
and 1.2 million images with a label each. The first start reads the files, the second one finds what
the first has remembered. Seconds begin after the imports. At scale 1 some 2 GB of disk are needed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
NUM_IMAGES, NUM_LABELLED = 100_170, 1_200_000
NUM_CLASSES = 1203
BOXES_PER_IMAGE = 12.7
POINTS_PER_POLYGON = 48
NUM_SHAPES = 2000  # polygons that are made; others are their copies at other places


def write_boxes(path: Path, count: int) -> None:
    """Write an annotation file after LVIS."""
    rng = np.random.default_rng(0)
    images = (
        {
            **_image(number),
            "neg_category_ids": rng.integers(1, NUM_CLASSES + 1, 6).tolist(),
            "not_exhaustive_category_ids": [],
        }
        for number in range(1, count + 1)
    )
    _write(path, images, _annotations(rng, count))


def write_labels(path: Path, count: int) -> None:
    """Write an annotation file after ImageNet with the classes of LVIS."""
    rng = np.random.default_rng(1)
    classes = rng.integers(1, NUM_CLASSES + 1, count).tolist()
    images = (_image(n) | {"pos_category_ids": [c]} for n, c in enumerate(classes, start=1))
    _write(path, images, iter(()))


def _image(number: int) -> dict[str, Any]:
    return {"id": number, "file_name": "image.jpg", "height": 480, "width": 640}


def _annotations(rng: np.random.Generator, num_images: int) -> Iterator[dict]:
    shapes = [_shape(rng) for _ in range(NUM_SHAPES)]
    number = 0
    # The categories of LVIS are as unequal.
    shares = 1 / np.arange(1, NUM_CLASSES + 1)
    for image in rng.permutation(num_images) + 1:
        count = rng.poisson(BOXES_PER_IMAGE)
        classes = rng.choice(NUM_CLASSES, count, p=shares / shares.sum()) + 1
        for category in classes.tolist():
            number += 1
            points = shapes[rng.integers(NUM_SHAPES)] + rng.uniform(0, 250, 2)
            corner, end = points.min(axis=0), points.max(axis=0)
            box = np.concatenate([corner, end - corner]).round(2).tolist()
            polygon = points.round(2).reshape(-1).tolist()
            yield {
                "area": round(box[2] * box[3] * 0.7, 2),
                "id": number,
                "segmentation": [polygon],
                "image_id": int(image),
                "bbox": box,
                "category_id": category,
            }


def _shape(rng: np.random.Generator) -> np.ndarray:
    angles = np.sort(rng.uniform(0, 2 * np.pi, 3 + rng.poisson(POINTS_PER_POLYGON - 3)))
    radii = rng.uniform(5, 100) * rng.uniform(0.7, 1, len(angles))
    return 110 + np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _write(path: Path, images: Iterator[dict], annotations: Iterator[dict]) -> None:
    categories = [{"id": i, "name": f"class {i}"} for i in range(1, NUM_CLASSES + 1)]
    with path.open("w") as file:
        file.write('{"images": [')
        _write_all(file, images)
        file.write('], "annotations": [')
        _write_all(file, annotations)
        file.write(f'], "categories": {json.dumps(categories)}}}')


def _write_all(file: Any, records: Iterator[dict]) -> None:
    for number, record in enumerate(records):
        file.write(", " * (number > 0) + json.dumps(record))


def measure_start(folder: Path) -> dict[str, float]:
    """Begin a training in this process and return what it took."""
    from PIL import Image

    from detic.annotation import AnnotationKind
    from detic.datasets.registration import register_dataset
    from detic.datasets.table import DatasetSpec
    from detic.loading import training_data
    from detic.loading.build import TrainData, build_train_loader
    from detic.recipes import default_config

    kinds = (("boxes", AnnotationKind.BOX, "lvis"), ("labels", AnnotationKind.IMAGE, "imagenet"))
    for name, kind, style in kinds:
        register_dataset(DatasetSpec(name, kind, None, style, "", f"{name}.json"), folder)
    Image.new("RGB", (640, 480)).save(folder / "image.jpg")
    cfg = configuration(default_config())
    phases: dict[str, float] = {}
    for name in ("load_dataset", "repeat_factors"):
        timed = _timed(getattr(training_data, name), name, phases)
        setattr(training_data, name, timed)
    begun, cpu = time.perf_counter(), time.process_time()
    data = TrainData.from_config(cfg, world_size=1)
    loader = build_train_loader(data, ranks=[0], world_size=1, seed=0)
    phases["rest"] = time.perf_counter() - begun - sum(phases.values())
    result = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu, **phases}
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    batches = iter(loader)
    result |= {"batch": len(next(batches))}
    for _ in islice(batches, 20):
        pass
    return result | {"worker_mb": _worker_mb()}


def configuration(cfg: Any) -> Any:
    """Return the recipe of a training on boxes and image labels."""
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = NUM_CLASSES
    cfg.MODEL.MASK_ON = True
    cfg.WITH_IMAGE_LABELS = True
    cfg.INPUT.CUSTOM_AUG = "EfficientDetResizeCrop"
    cfg.DATASETS.TRAIN = ("boxes", "labels")
    node = cfg.DATALOADER
    node.SAMPLER_TRAIN = "MultiDatasetSampler"
    node.DATASET_RATIO, node.USE_RFS = [1, 4], [True, False]
    node.DATASET_ANN, node.DATASET_BS = ["box", "image"], [4, 16]
    node.DATASET_INPUT_SIZE, node.DATASET_INPUT_SCALE = [320, 160], [(0.1, 2.0), (0.5, 1.5)]
    node.USE_DIFF_BS_SIZE, node.MULTI_DATASET_GROUPING = True, True
    node.REPEAT_THRESHOLD = 0.001
    node.NUM_WORKERS, node.START_METHOD = 1, "fork"
    return cfg


def _timed(function: Callable, label: str, phases: dict[str, float]) -> Callable:
    def timed(*args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        result = function(*args, **kwargs)
        name = f"{label} {args[0]}" if isinstance(args[0], str) else label
        phases[name] = phases.get(name, 0.0) + time.perf_counter() - begun
        return result

    return timed


def _worker_mb() -> float:
    """Return the memory that a worker process shares with no other, in MB."""
    import multiprocessing

    (worker, *_) = multiprocessing.active_children()
    lines = Path(f"/proc/{worker.pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1000


def measure_in_process(checkout: Path, folder: Path) -> dict[str, float]:
    """Return what a start takes with the code of a checkout."""
    command = [sys.executable, __file__, "--measure", str(folder)]
    paths = (checkout / "portable", checkout, os.environ.get("PYTHONPATH", ""))
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "DETIC_CACHE": str(folder / "cache"),
    }
    finished = subprocess.run(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(finished.stdout.splitlines()[-1])


def _tell(title: str, result: dict[str, float]) -> None:
    print(
        f"{title}: {result['seconds']:.1f} s, {result['cpu']:.1f} s of CPU, peak "
        f"{result['peak_mb']:.0f} MB, a worker's own {result['worker_mb']:.0f} MB",
        flush=True,
    )
    for name, seconds in result.items():
        if name.startswith(("load", "repeat", "rest")):
            print(f"    {name}: {seconds:.1f} s")


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=0.1, help="part of the whole size")
    parser.add_argument("--against", type=Path, help="another checkout of the repository")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure_start(arguments.measure)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_boxes(folder / "boxes.json", round(NUM_IMAGES * arguments.scale))
        write_labels(folder / "labels.json", round(NUM_LABELLED * arguments.scale))
        size = sum(path.stat().st_size for path in folder.glob("*.json")) / 1e6
        print(f"{size:.0f} MB of JSON")
        if arguments.against:
            _tell("the other checkout", measure_in_process(arguments.against.resolve(), folder))
        for title in ("first start", "second start"):
            _tell(title, measure_in_process(HERE.parent, folder))


if __name__ == "__main__":
    main()
