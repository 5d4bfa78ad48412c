"""Try and measure everything on a GPU: one command, 4 minutes, nothing is fetched.

    python benchmarks/on_gpu.py --output on_gpu.json
    python benchmarks/on_gpu.py --device cpu --quick

Models have random weights, but for those of ``models/shapes``, which find the same on the GPU as on
the CPU. Each section has its share of the time, measures first what tells most, and prints its table
when it ends. What fails is a row of the table.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data.datasets import register_coco_instances
from detectron2.structures import Boxes, pairwise_iou
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
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from detic.annotation import AnnotationKind
from detic.detections import Detections
from detic.engine.evaluation import evaluate_model
from detic.engine.optimizer import build_optimizer
from detic.engine.step import TrainingStep
from detic.modeling.precision import PRECISIONS as INFERENCE_PRECISIONS
from detic.modeling.request import DetectionRequest
from detic.plan.evaluation import EvaluationPlan
from detic.plan.optimization import PrecisionParams
from detic.predictor import Detector

ROOT = Path(__file__).resolve().parents[1]
R50 = "Detic_LI_CLIP_R5021k_640b64_4x_ft4x_max-size"
SWIN = "Detic_LI_CLIP_SwinB_896b32_4x_ft4x_max-size"
DETR = "Detic_DeformDETR_LI_R50_4x_ft4x"
VILD = "Detic_ViLD_200e"
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
    *("MODEL.ROI_MASK_HEAD.CONV_DIM", "16", "MODEL.ROI_BOX_HEAD.CONV_DIM", "16"),
    *("MODEL.RPN.POST_NMS_TOPK_TRAIN", "50", "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", "32"),
]


@dataclass(frozen=True)
class Speed:
    """A model whose speed is measured."""

    recipe: str
    side: int  # pixels, of its images
    precision: str  # of its training, a key of PRECISIONS
    batches: tuple[int, ...]  # images


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    device: torch.device
    recipes: tuple[str, ...]  # that take a step in every precision
    side_of_step: int  # pixels, of the images of those steps
    trained: tuple[Speed, ...]
    detecting: tuple[Speed, ...]  # in every precision of inference
    repetitions: int
    images_of_evaluation: int
    overrides: tuple[str, ...] = ()


def full_extent(device: torch.device) -> Extent:
    """Return what is measured on a GPU."""
    others = sorted({path.stem for path in CONFIGS.glob("*.yaml")} - {R50, SWIN, DETR, VILD})
    trained = (
        Speed(R50, 640, "float32", (8, 1, 16)),
        Speed(SWIN, 896, "bfloat16", (8, 1)),
        Speed(R50, 640, "bfloat16", (8, 1, 16)),
        Speed(SWIN, 896, "float32", (8, 1)),
        Speed(VILD, 640, "float32", (8,)),
        Speed(DETR, 640, "float32", (8,)),
    )
    detecting = (Speed(R50, 640, "float32", (8, 1)), Speed(SWIN, 896, "float32", (8, 1)))
    recipes = (DETR, VILD, R50, SWIN, *others)
    return Extent(device, recipes, 320, trained, detecting, 5, 100)


def quick_extent(device: torch.device) -> Extent:
    """Return enough to see that everything runs."""
    r50 = Speed(R50, 96, "float32", (2,))
    return Extent(device, (DETR, VILD, R50), 96, (r50,), (r50,), 1, 2, tuple(FEW))


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("--quick", action="store_true", help="tiny models: does everything run?")
    parser.add_argument("--output", type=Path, help="JSON file for the tables")
    parser.add_argument("--seconds", type=float, default=230, help="that the sections share")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    extent = (quick_extent if arguments.quick else full_extent)(device)
    print(f"{_name(device)}, torch {torch.__version__}, Python {platform.python_version()}\n")
    tables, ends = {}, time.perf_counter() + arguments.seconds
    with tempfile.TemporaryDirectory() as folder:
        for title, (section, _) in SECTIONS.items():
            deadline = _deadline(title, ends)
            rows = _rows(section(extent, Path(folder), deadline), deadline)
            print(f"## {title}\n{tabulate(rows, headers='keys', floatfmt='.4g')}\n", flush=True)
            tables[title] = rows
            if arguments.output:
                arguments.output.write_text(
                    json.dumps({"device": _name(device), **tables}, indent=1)
                )


def operators(extent: Extent, folder: Path, deadline: float) -> Iterator[dict]:
    """Yield what a training step takes, of the host and of the device, and its longest operators."""
    speed = extent.trained[0]
    step = _step(_recipe(extent, folder, speed.recipe), PRECISIONS[speed.precision])
    for kind in (AnnotationKind.BOX, AnnotationKind.IMAGE):
        batch = training_batch(kind, (speed.side, speed.side), speed.batches[0])
        with EventStorage():
            yield from _profiled(extent, partial(step, 0, [batch]), kind.value)


def equality(extent: Extent, folder: Path, deadline: float) -> Iterator[dict]:
    """Yield how the detections of the trained model differ from those on the CPU.

    Convolutions use TF32 by default, which has 10 bits of a float's 23.
    """
    names = ["green gear", "yellow mug", "red star", "blue mug", "red gear"]
    scene = cv2.imread(str(ROOT / "docs/pictures/scene.png"))
    images = [scene, scene[::-1].copy(), scene[:, ::-1].copy(), scene[::-1, ::-1].copy()]
    options = {"score_threshold": 0.1, "precision": "fp32"}
    expected = Detector.from_pretrained("shapes-detic", names, device="cpu", **options)(images)
    detector = Detector.from_pretrained("shapes-detic", names, device=str(extent.device), **options)
    for allowed in (False, True):
        torch.backends.cudnn.allow_tf32 = allowed
        yield {"TF32": allowed, **_differences(expected, detector(images))}


def training_speed(extent: Extent, folder: Path, deadline: float) -> Iterator[dict]:
    """Yield images/s, waits of the host and memory of training steps on boxes and on labels."""
    for speed in extent.trained:
        cfg = _recipe(extent, folder, speed.recipe)
        step = _step(cfg, PRECISIONS[speed.precision])
        for size in speed.batches:
            for source, kind in enumerate(annotation_kinds(cfg)):
                batch = training_batch(kind, (speed.side, speed.side), size, source)
                row = {"recipe": speed.recipe, "side": speed.side, "precision": speed.precision}
                row |= {"batch": size, "source": kind.value}
                yield row | _attempt_row(lambda s=step, b=batch: _train(extent, s, b))


def inference_speed(extent: Extent, folder: Path, deadline: float) -> Iterator[dict]:
    """Yield images/s, waits of the host and memory of inference with 100 detections an image."""
    for speed in extent.detecting:
        overrides = [*DETECT_MUCH, *extent.overrides]
        cfg = random_recipe(speed.recipe, folder, str(extent.device), overrides)
        model = random_detector(cfg).eval()
        for precision, formats in INFERENCE_PRECISIONS.items():
            request = DetectionRequest(precision=formats)
            for size in speed.batches:
                images = test_batch((speed.side, speed.side), size)
                call = partial(model.inference, images, request)
                row = {"recipe": speed.recipe, "side": speed.side, "precision": precision}
                measured = _attempt_row(lambda c=call, n=size: _measured(extent, c, n))
                yield row | {"batch": size} | measured


def evaluation_speed(extent: Extent, folder: Path, deadline: float) -> Iterator[dict]:
    """Yield images/s of a whole evaluation from files, masks and scoring included."""
    annotations = _written_dataset(folder / "set", extent.images_of_evaluation)
    register_coco_instances("made_up", {}, str(annotations), str(annotations.parent))
    speed = extent.detecting[0]
    keys = [
        *("DATASETS.TEST", "('made_up',)", "INPUT.MIN_SIZE_TEST", str(speed.side)),
        *("OUTPUT_DIR", str(folder / "output"), "MODEL.ROI_HEADS.NUM_CLASSES", "1"),
        *("MODEL.ROI_BOX_HEAD.USE_FED_LOSS", "False"),
    ]
    overrides = [*DETECT_MUCH, *extent.overrides, *keys]
    cfg = random_recipe(speed.recipe, folder, str(extent.device), overrides)
    model = random_detector(cfg).eval()
    plan = EvaluationPlan.from_config(cfg)
    taken = _seconds(lambda: evaluate_model(plan, model, report=False))
    images = extent.images_of_evaluation
    yield {"recipe": speed.recipe, "images": images, "images/s": images / taken}


def steps_in_every_precision(extent: Extent, folder: Path, deadline: float) -> Iterator[dict]:
    """Yield whether each recipe's weights stay finite in steps on a batch of each of its sources."""
    for name in extent.recipes:
        yield {"recipe": name} | _attempt_row(lambda n=name: _finite_steps(extent, folder, n))


def twins(extent: Extent, folder: Path, deadline: float) -> Iterator[dict]:
    """Yield what the tests say that need a GPU."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "gpu or cuda"]
    if find_spec("xdist"):
        command += ["-n", str(min(8, os.cpu_count() or 1))]
    seconds = max(deadline - time.perf_counter(), 30)
    try:
        done = subprocess.run(
            [*command, "tests"], cwd=ROOT, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        yield {"tests": "not finished in time"}
        return
    lines = (done.stdout or done.stderr).splitlines()
    yield from ({"tests": line} for line in lines if "FAILED" in line or "ERROR" in line)
    yield {"tests": lines[-1] if lines else "pytest said nothing"}


# A section, which yields rows until its deadline, and its share of the time. What one leaves is for
# those after it.
SECTIONS: dict[str, tuple[Callable[[Extent, Path, float], Iterator[dict]], int]] = {
    "A training step: time and operators": (operators, 3),
    "Detections against those on the CPU": (equality, 1),
    "Training, images/s": (training_speed, 6),
    "Inference, images/s": (inference_speed, 4),
    "Evaluation": (evaluation_speed, 2),
    "Steps of every recipe": (steps_in_every_precision, 4),
    "Tests that need a GPU": (twins, 3),
}


def _deadline(title: str, ends: float) -> float:
    """Return when a section ends, if it and those after it share the rest of the time."""
    shares = [share for _, share in list(SECTIONS.values())[list(SECTIONS).index(title) :]]
    now = time.perf_counter()
    return now + max(ends - now, 0) * shares[0] / sum(shares)


def _profiled(extent: Extent, call: Callable[[], object], source: str) -> Iterator[dict]:
    """Yield the times of a step, and its longest operators on the device and on the host."""
    on_gpu = extent.device.type == "cuda"
    _seconds(call, on_gpu)  # the first one makes what stays
    returned = []
    started = time.perf_counter()
    whole = _seconds(lambda: (call(), returned.append(time.perf_counter())), on_gpu)
    yield {"source": source, "what": "whole step", "ms": whole * 1000}
    yield {"source": source, "what": "until the host is back", "ms": 1000 * (returned[0] - started)}
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiled:
        _seconds(call, on_gpu)
    events = profiled.key_averages()
    waits = [e for e in events if e.key.startswith("cuda") and "Synchronize" in e.key]
    yield _total(source, "host waits for the device", waits, "self_cpu_time_total")
    launches = [e for e in events if "LaunchKernel" in e.key]
    yield _total(source, "host launches kernels", launches, "self_cpu_time_total")
    kernels = [e for e in events if e.device_type == DeviceType.CUDA]
    yield _total(source, "device works", kernels, "self_device_time_total")
    asked = [e for e in events if e.device_type == DeviceType.CPU]
    if on_gpu:
        yield from _longest(source, "device", asked, "self_device_time_total")
    yield from _longest(source, "host", asked, "self_cpu_time_total")


def _total(source: str, what: str, events: Iterable, own: str) -> dict:
    milliseconds = sum(getattr(e, own) for e in events) / 1000
    return {
        "source": source,
        "what": what,
        "ms": milliseconds,
        "calls": sum(e.count for e in events),
    }


def _longest(source: str, place: str, events: Iterable, own: str) -> Iterator[dict]:
    for e in sorted(events, key=lambda e: getattr(e, own), reverse=True)[:15]:
        yield _total(source, f"{place}: {e.key[:60]}", [e], own)


def _differences(expected: Sequence[Detections], found: Sequence[Detections]) -> dict:
    """Return how many objects are found twice, as the same class at an IoU of 0.9, and how alike."""
    scores, sides = [0.0], [0.0]
    for a, b in zip(expected, found, strict=True):
        pairs = pairwise_iou(*(Boxes(torch.from_numpy(d.boxes_xyxy)) for d in (a, b)))
        pairs[torch.from_numpy(a.labels)[:, None] != torch.from_numpy(b.labels)] = 0
        for i, j in (pairs > 0.9).nonzero().tolist():
            scores.append(float(abs(a.scores[i] - b.scores[j])))
            sides.append(float(abs(a.boxes_xyxy[i] - b.boxes_xyxy[j]).max()))
    return {
        "on the CPU": sum(map(len, expected)),
        "here": sum(map(len, found)),
        "matched": len(scores) - 1,
        "score differs by": max(scores),
        "box differs by": max(sides),
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
    """Collect the synchronisations that CUDA reports, in Python or, of other threads, as text."""
    waits: list = []
    if not on_gpu:
        yield waits
        return
    with warnings.catch_warnings(record=True) as caught, _standard_error() as lines:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield waits
        finally:
            torch.cuda.set_sync_debug_mode("default")
    messages = [*(str(w.message) for w in caught), *lines]
    waits += [m for m in messages if "synchronizing CUDA operation" in m]


@contextmanager
def _standard_error() -> Iterator[list[str]]:
    """Collect the lines that anything in this process writes to standard error."""
    lines: list[str] = []
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile("w+") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines += file.read().splitlines()


def _seconds(call: Callable[[], object], on_gpu: bool = False) -> float:
    if on_gpu:
        torch.cuda.synchronize()
    started = time.perf_counter()
    call()
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _rows(section: Iterator[dict], deadline: float) -> list[dict]:
    """Return the rows that a section yields before its deadline."""
    rows: list[dict] = []

    def collect() -> str:
        for row in section:
            rows.append(row)
            if time.perf_counter() > deadline:
                return "the time is up"
        return ""

    end = _attempt(collect)
    return [*rows, {next(iter(rows[0]), "") if rows else "": end}] if end else rows


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
