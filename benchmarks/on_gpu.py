"""Try and measure everything on a GPU: one command, under 8 minutes, nothing is fetched.

    python benchmarks/on_gpu.py --output on_gpu.json
    python benchmarks/on_gpu.py --device cpu --quick

Models have random weights. Each section prints its table when it ends, and what fails is a row of the
table, so that a run that is cut off has said what it knows.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data.datasets import register_coco_instances
from detectron2.utils.events import EventStorage
from random_models import (
    CONFIGS,
    annotation_kinds,
    random_detector,
    random_recipe,
    test_batch,
    training_batch,
)
from tabulate import tabulate
from torch.profiler import ProfilerActivity, profile

from detic.annotation import AnnotationKind
from detic.engine.evaluation import evaluate_model
from detic.engine.optimizer import build_optimizer
from detic.engine.step import TrainingStep
from detic.modeling.precision import PRECISIONS as INFERENCE_PRECISIONS
from detic.modeling.request import DetectionRequest
from detic.plan.evaluation import EvaluationPlan
from detic.plan.optimization import PrecisionParams

ROOT = Path(__file__).resolve().parents[1]
R50 = "Detic_LI_CLIP_R5021k_640b64_4x_ft4x_max-size"
SWIN = "Detic_LI_CLIP_SwinB_896b32_4x_ft4x_max-size"
PRECISIONS = {
    "float32": PrecisionParams(),
    "float16": PrecisionParams(whole_model=True, dtype=torch.float16, scale_gradients=True),
    "bfloat16": PrecisionParams(whole_model=True, dtype=torch.bfloat16),
}
# Random weights find hardly anything: every proposal and every score counts.
DETECT_MUCH = [
    *("MODEL.CENTERNET.INFERENCE_TH", "0.0", "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0"),
    *("MODEL.ROI_HEADS.ONE_CLASS_PER_PROPOSAL", "True", "TEST.DETECTIONS_PER_IMAGE", "100"),
]
FEW = [
    *("MODEL.CENTERNET.POST_NMS_TOPK_TRAIN", "50", "MODEL.ROI_BOX_HEAD.FC_DIM", "64"),
    *("MODEL.ROI_MASK_HEAD.CONV_DIM", "16", "MODEL.SWIN.SIZE", "T"),
]


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    device: torch.device
    recipes: tuple[str, ...]  # that take a step in every precision
    side_of_step: int  # pixels, of the images of those steps
    models: tuple[tuple[str, int], ...]  # recipe and side of its images, for speed
    batches: tuple[int, ...]  # images
    repetitions: int
    images_of_evaluation: int
    overrides: tuple[str, ...] = ()


def full_extent(device: torch.device) -> Extent:
    """Return what is measured on a GPU."""
    recipes = tuple(sorted(path.stem for path in CONFIGS.glob("*.yaml")))
    return Extent(device, recipes, 320, ((R50, 640), (SWIN, 896)), (1, 8, 16), 10, 200)


def quick_extent(device: torch.device) -> Extent:
    """Return enough to see that everything runs."""
    return Extent(device, (R50,), 96, ((R50, 96),), (1, 2), 1, 2, tuple(FEW))


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("--quick", action="store_true", help="tiny models: does everything run?")
    parser.add_argument("--output", type=Path, help="JSON file for the tables")
    parser.add_argument("--seconds", type=float, default=470, help="no section starts afterwards")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    extent = (quick_extent if arguments.quick else full_extent)(device)
    print(f"{_name(device)}, torch {torch.__version__}, Python {platform.python_version()}\n")
    tables, started = {}, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for title, section in SECTIONS.items():
            left = arguments.seconds - (time.perf_counter() - started)
            if left < 0:
                print(f"## {title}: left out, the time is up")
                continue
            rows = _rows(section, extent, Path(folder), left)
            print(f"## {title}\n{tabulate(rows, headers='keys', floatfmt='.4g')}\n", flush=True)
            tables[title] = rows
            if arguments.output:
                arguments.output.write_text(
                    json.dumps({"device": _name(device), **tables}, indent=1)
                )


def steps_in_every_precision(extent: Extent, folder: Path, seconds: float) -> list[dict]:
    """Return whether each recipe's weights stay finite in steps on a batch of each of its sources."""
    deadline = time.perf_counter() + seconds
    rows = []
    for name in extent.recipes:
        row = {"recipe": name}
        if time.perf_counter() < deadline:
            row |= _attempt_row(lambda n=name: _finite_steps(extent, folder, n))
        rows.append(row)
    return rows


def training_speed(extent: Extent, folder: Path, seconds: float) -> list[dict]:
    """Return images/s, waits of the host and memory of training steps on boxes and on labels."""
    rows = []
    for name, side in extent.models:
        for precision in ("float32", "bfloat16"):
            step = _step(_recipe(extent, folder, name), PRECISIONS[precision])
            for kind in (AnnotationKind.BOX, AnnotationKind.IMAGE):
                for size in extent.batches:
                    batch = training_batch(kind, (side, side), size)
                    row = {"recipe": name, "side": side, "precision": precision, "batch": size}
                    row["source"] = kind.value
                    measured = _attempt_row(lambda s=step, b=batch: _train(extent, s, b))
                    rows.append(row | measured)
    return rows


def inference_speed(extent: Extent, folder: Path, seconds: float) -> list[dict]:
    """Return images/s, waits of the host and memory of inference with 100 detections an image."""
    rows = []
    for name, side in extent.models:
        cfg = random_recipe(name, folder, str(extent.device), [*DETECT_MUCH, *extent.overrides])
        model = random_detector(cfg).eval()
        for precision, formats in INFERENCE_PRECISIONS.items():
            request = DetectionRequest(precision=formats)
            for batch in extent.batches:
                images = test_batch((side, side), batch)
                call = partial(model.inference, images, request)
                rows.append(
                    {
                        "recipe": name,
                        "side": side,
                        "precision": precision,
                        "batch": batch,
                    }
                    | _attempt_row(lambda c=call, b=batch: _measured(extent, c, b))
                )
    return rows


def evaluation_speed(extent: Extent, folder: Path, seconds: float) -> list[dict]:
    """Return images/s of a whole evaluation from files, masks and scoring included."""
    annotations = _written_dataset(folder / "set", extent.images_of_evaluation)
    register_coco_instances("made_up", {}, str(annotations), str(annotations.parent))
    name, side = extent.models[0]
    keys = [
        *("DATASETS.TEST", "('made_up',)", "INPUT.MIN_SIZE_TEST", str(side)),
        *("OUTPUT_DIR", str(folder / "output"), "MODEL.ROI_HEADS.NUM_CLASSES", "1"),
        *("MODEL.ROI_BOX_HEAD.USE_FED_LOSS", "False"),
    ]
    overrides = [*DETECT_MUCH, *extent.overrides, *keys]
    cfg = random_recipe(name, folder, str(extent.device), overrides)
    model = random_detector(cfg).eval()
    plan = EvaluationPlan.from_config(cfg)
    taken = _seconds(lambda: evaluate_model(plan, model, report=False))
    images = extent.images_of_evaluation
    return [{"recipe": name, "images": images, "images/s": images / taken}]


def operators(extent: Extent, folder: Path, seconds: float) -> list[dict]:
    """Return the operators that take longest in a training step."""
    name, side = extent.models[0]
    step = _step(_recipe(extent, folder, name), PRECISIONS["bfloat16"])
    batch = training_batch(AnnotationKind.BOX, (side, side), 2)
    activities = [ProfilerActivity.CPU]
    if extent.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with EventStorage():
        step(0, [batch])
        with profile(activities=activities) as profiled:
            step(1, [batch])
    own = "self_device_time_total" if extent.device.type == "cuda" else "self_cpu_time_total"
    events = sorted(profiled.key_averages(), key=lambda e: getattr(e, own), reverse=True)
    return [
        {"operator": e.key[:60], "calls": e.count, "ms": getattr(e, own) / 1000}
        for e in events[:25]
    ]


def twins(extent: Extent, folder: Path, seconds: float) -> list[dict]:
    """Return what the tests say that need a GPU."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "gpu or cuda"]
    try:
        done = subprocess.run(
            [*command, "tests"], cwd=ROOT, capture_output=True, text=True, timeout=max(seconds, 60)
        )
    except subprocess.TimeoutExpired:
        return [{"tests": "not finished in time"}]
    lines = (done.stdout or done.stderr).splitlines()
    return [{"tests": line} for line in lines if "FAILED" in line or "ERROR" in line] + [
        {"tests": lines[-1] if lines else "pytest said nothing"}
    ]


SECTIONS: dict[str, Callable[[Extent, Path, float], list[dict]]] = {
    "Training, images/s": training_speed,
    "Inference, images/s": inference_speed,
    "Evaluation": evaluation_speed,
    "Operators of a training step": operators,
    "Steps of every recipe": steps_in_every_precision,
    "Tests that need a GPU": twins,
}


def _recipe(extent: Extent, folder: Path, name: str) -> CfgNode:
    # Precision is the step's matter: the backbone does not choose its own.
    keys = ["FP16", "False", *extent.overrides]
    return random_recipe(name, folder, str(extent.device), keys)


def _finite_steps(extent: Extent, folder: Path, name: str) -> dict[str, str]:
    cfg = _recipe(extent, folder, name)
    size_hw = (extent.side_of_step, extent.side_of_step)
    result = {}
    for precision, params in PRECISIONS.items():
        step = _step(cfg, params)
        with EventStorage():
            for source, kind in enumerate(annotation_kinds(cfg)):
                step(source, [training_batch(kind, size_hw, 2, source)])
        step.check_losses()
        broken = [n for n, p in step.model.named_parameters() if not torch.isfinite(p).all()]
        result[precision] = f"{len(broken)} weights are not finite" if broken else "finite"
    return result


def _train(extent: Extent, step: TrainingStep, batch: list[dict]) -> dict:
    with EventStorage():
        measured = _measured(extent, lambda: step(0, [batch]), len(batch))
    step.check_losses()
    return measured


def _step(cfg: CfgNode, precision: PrecisionParams) -> TrainingStep:
    """Return the step of a recipe with random weights."""
    model = random_detector(cfg).train()
    if precision.scale_gradients and cfg.MODEL.DEVICE == "cpu":
        precision = replace(precision, scale_gradients=False)
    return TrainingStep(model, build_optimizer(cfg, model), precision, accumulate=1, seed=0)


def _measured(extent: Extent, call: Callable[[], object], num_images: int) -> dict:
    """Return images/s, waits and memory of ``call``, after a first call that does not count."""
    on_gpu = extent.device.type == "cuda"
    call()
    with _waits_counted(on_gpu) as waits:
        call()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = _seconds(lambda: [call() for _ in range(extent.repetitions)], on_gpu)
    row = {"images/s": num_images * extent.repetitions / seconds}
    if on_gpu:
        row |= {"waits": len(waits), "GiB": torch.cuda.max_memory_allocated() / 2**30}
    return row


@contextmanager
def _waits_counted(on_gpu: bool) -> Iterator[list]:
    """Collect the synchronisations that CUDA reports."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if on_gpu:
            torch.cuda.set_sync_debug_mode("warn")
        waits: list = []
        try:
            yield waits
        finally:
            if on_gpu:
                torch.cuda.set_sync_debug_mode("default")
            waits += [w for w in caught if "synchroniz" in str(w.message)]


def _seconds(call: Callable[[], object], on_gpu: bool = False) -> float:
    if on_gpu:
        torch.cuda.synchronize()
    started = time.perf_counter()
    call()
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _rows(section: Callable, extent: Extent, folder: Path, seconds: float) -> list[dict]:
    rows: list[dict] = []
    error = _attempt(lambda: rows.extend(section(extent, folder, seconds)) or "")
    return rows or [{"error": error}]


def _attempt(call: Callable[[], str]) -> str:
    """Return what ``call`` returns, or its error in a line."""
    try:
        return call()
    except Exception as error:  # the other rows are wanted all the same
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:120]
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _attempt_row(call: Callable[[], dict]) -> dict:
    result: dict = {}
    error = _attempt(lambda: result.update(call()) or "")
    return result or {"error": error}


def _written_dataset(folder: Path, num_images: int) -> Path:
    """Write JPEG files of noise with one box each, and return their COCO file."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(num_images):
        coarse = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{i}.jpg"), cv2.resize(coarse, (640, 480)))
    images = [
        {"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in range(num_images)
    ]
    boxes = [
        {
            "id": i + 1,
            "image_id": i,
            "category_id": 1,
            "bbox": [9, 9, 90, 90],
            "area": 8100,
            "segmentation": [[9, 9, 99, 9, 99, 99, 9, 99]],
            "iscrowd": 0,
        }
        for i in range(num_images)
    ]
    content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "thing"}]}
    file = folder / "annotations.json"
    file.write_text(json.dumps(content))
    return file


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()


if __name__ == "__main__":
    main()
