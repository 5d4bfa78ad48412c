"""Measure how long detection takes on a CPU, and whether faster ways find the same.

    python benchmarks/inference_speed.py
    python benchmarks/inference_speed.py --weights models/my_weights.pth --image desk.jpg
    python benchmarks/inference_speed.py --against ../detic-before --threads 2

Rows are the ResNet-50 recipe on 640 x 480 pixels: many objects, few objects, a low score threshold, a
large vocabulary, and the first image of the program. Each is measured in several ways to compute, which
have a process of their own and take turns. The least time of all rounds counts, and the most memory
beside what the process had before (of the program: all of it). Random weights find random objects, so
that the agreement of bf16 says little without --weights.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RECIPE = "configs/Detic_LbaseI_CLIP_R5021k_640b64_4x_ft4x_max-size.yaml"
TINY = [  # for a quick run, which shows only that everything works
    *("MODEL.FPN.OUT_CHANNELS", "64", "MODEL.ROI_BOX_HEAD.FC_DIM", "32"),
    *("MODEL.ROI_MASK_HEAD.CONV_DIM", "16", "MODEL.CENTERNET.POST_NMS_TOPK_TEST", "40"),
    *("MODEL.TIMM.BASE_NAME", "resnet18"),
]
WIDTH = 512  # of the class embeddings


@dataclass(frozen=True)
class Row:
    """Something that is measured."""

    name: str
    vocabulary: str  # small or large
    one_class: bool  # an object has one class
    count: int | None = None  # of detections, reached by a score threshold; None: threshold 0.02


ROWS = (
    Row("300 detections", "small", False, 300),
    Row("17 detections", "small", False, 17),
    Row("score threshold 0.02", "small", False),
    Row("large vocabulary", "large", True, 17),
)
PROGRAM = "first image of demo.py"  # a row too


@dataclass(frozen=True)
class Way:
    """A way to compute: a checkout of the project and what is passed to its detector."""

    name: str
    root: Path
    options: dict


@dataclass(frozen=True)
class Cost:
    """What a row costs in one way."""

    cpu_s: float
    wall_s: float
    extra_mib: float  # the most memory beside what the process had before

    def least(self, other: "Cost | None") -> "Cost":
        if other is None:
            return self
        return Cost(
            min(self.cpu_s, other.cpu_s),
            min(self.wall_s, other.wall_s),
            max(self.extra_mib, other.extra_mib),
        )


class Worker:
    """A process that detects in one way; asked by lines of JSON."""

    def __init__(self, way: Way, folder: Path, threads: int):
        self.way = way
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", json.dumps(way.options), str(folder)],
            env=environment(way.root, threads),
            cwd=way.root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(self, row: Row, threshold: float, found: Path) -> Cost:
        """Return the cost of an image; what is detected is written into the file ``found``."""
        assert self.process.stdin
        assert self.process.stdout
        asked = [row.vocabulary, row.one_class, threshold, str(found)]
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"the process of '{self.way.name}' has ended")
        return Cost(*json.loads(answer))

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def environment(root: Path, threads: int) -> dict[str, str]:
    """Return the environment of a process that runs a checkout."""
    threads_of = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return os.environ | threads_of | {"PYTHONPATH": f"{root / 'portable'}{os.pathsep}{root}"}


def serve(options: dict, folder: Path) -> None:
    """Answer what a Worker asks, until its end closes the line."""
    import cv2

    from detic import Detector

    settings = json.loads((folder / "settings.json").read_text())
    image = cv2.imread(settings["image"])
    detectors = {
        one_class: Detector.from_config(
            settings["recipe"],
            settings["weights"],
            str(folder / "small.safetensors"),
            device="cpu",
            one_class_per_proposal=one_class,
            overrides=settings["overrides"],
            **options,
        )
        for one_class in (False, True)
    }
    vocabularies = {
        name: detectors[False].embed(str(folder / f"{name}.safetensors"))
        for name in ("small", "large")
    }
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing else may be printed among the answers
    for line in sys.stdin:
        vocabulary, one_class, threshold, found = json.loads(line)
        detector = detectors[one_class]
        if detector.vocabulary is not vocabularies[vocabulary]:
            detector.set_vocabulary(vocabularies[vocabulary])
        detector.score_threshold = threshold
        before_mib = start_peak()
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        detections = detector(image)
        cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
        cost = [cpu_s, wall_s, memory_mib("VmHWM") - before_mib]
        names = ("boxes_xyxy", "scores", "labels", "masks")
        np.savez(found, **{name: getattr(detections, name) for name in names})
        print(json.dumps(cost), file=answers, flush=True)


def start_peak() -> float:
    """Return the memory of this process in MiB and let its peak count from here on (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return memory_mib("VmRSS")


def memory_mib(name: str) -> float:
    """Return a line of the process's status: ``VmRSS``, or its peak ``VmHWM``; 0 if there is none."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


def first_image(way: Way, folder: Path, threads: int) -> Cost:
    """Return the cost of the program from its start to the drawing of one image."""
    settings = json.loads((folder / "settings.json").read_text())
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    flags = ["--precision", way.options.get("precision", "fp32")] if way.options else []
    flags += ["--compile"] if way.options.get("compile") else []
    subprocess.run(
        [
            *(sys.executable, "demo.py", "--config-file", settings["recipe"], "--cpu", *flags),
            *("--input", settings["image"], "--output", str(folder / "out.png"), "--overwrite"),
            *("--vocabulary-file", str(folder / "small.safetensors")),
            *("--opts", *settings["overrides"], "MODEL.WEIGHTS", settings["weights"]),
        ],
        env=environment(way.root, threads),
        cwd=way.root,
        check=True,
        capture_output=True,
    )
    wall_s = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu_s, wall_s, after.ru_maxrss / 1024)


def threshold_of(row: Row, worker: Worker, found: Path) -> float:
    """Return a score threshold at which a row has its number of detections, if it can."""
    if row.count is None:
        return 0.02
    worker.measure(row, 0.0, found)
    scores = np.append(np.load(found)["scores"], 0.0)
    last = min(row.count, len(scores) - 1)
    return float((scores[last - 1] + scores[last]) / 2) if last < len(scores) - 1 else 0.02


def agreement(found: Path, exact: Path) -> str:
    """Return in words how detections compare with those of the first way."""
    one, other = np.load(found), np.load(exact)
    if all(np.array_equal(one[name], other[name]) for name in other.files):
        return "equal"
    overlap = box_iou(one["boxes_xyxy"], other["boxes_xyxy"]) > 0.9
    matches = overlap & (one["labels"][:, None] == other["labels"])
    if not matches.any():
        return "0 % matched"
    rows, columns = matches.any(axis=0).nonzero()[0], matches.argmax(axis=0)
    change = np.abs(one["scores"][columns[rows]] - other["scores"][rows]).max()
    share = 100 * len(rows) / max(len(other["scores"]), len(one["scores"]))
    return f"{share:.1f} % matched, scores within {change:.1e}"


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union of boxes (N, 4) and (M, 4) XYXY, (N, M)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-9)


def prepare(args: argparse.Namespace, folder: Path) -> None:
    """Write the weights, the image, the vocabularies and the settings of all processes."""
    import cv2
    import torch

    from detic.modeling import build_detector
    from detic.predictor.inference_config import DetectionParams, inference_config
    from detic.recipes import load_recipe
    from detic.vocabulary import EmbeddingTable, write_embeddings

    size = 64 if args.quick else 480
    overrides = ["INPUT.MIN_SIZE_TEST", str(size), *(TINY if args.quick else [])]
    weights, image = args.weights, args.image
    torch.manual_seed(0)
    if weights is None:
        weights = folder / "weights.pth"
        cfg = load_recipe(ROOT / RECIPE, overrides)
        cfg = inference_config(cfg, DetectionParams(0.5, True), torch.device("cpu"))
        torch.save({"model": build_detector(cfg).state_dict()}, weights)
    if image is None:
        image = folder / "image.png"
        coarse = np.random.default_rng(0).integers(0, 256, (15, 20, 3), dtype=np.uint8)
        shown = cv2.resize(coarse, (size * 4 // 3, size), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(image), shown)
    for name, count in (
        ("small", 30 if args.quick else 1203),
        ("large", 2500 if args.quick else 22047),
    ):
        names = tuple(f"class {number}" for number in range(count))
        table = EmbeddingTable(torch.randn(count, WIDTH), names=names)
        write_embeddings(folder / f"{name}.safetensors", table)
    settings = {
        "recipe": str(ROOT / RECIPE),
        "weights": str(Path(weights).resolve()),
        "image": str(Path(image).resolve()),
        "overrides": overrides,
    }
    (folder / "settings.json").write_text(json.dumps(settings))


def ways(against: str | None) -> list[Way]:
    """Return the ways to compute that this machine and the arguments allow."""
    import torch

    from detic.errors import InputError
    from detic.modeling.precision import choose_precision

    found = [Way("fp32", ROOT, {})]
    if against is not None:
        root = Path(against).resolve()
        found.insert(0, Way(f"fp32 in {root.name}", root, {}))
    try:
        choose_precision("bf16", torch.device("cpu"))
    except InputError as error:
        print(f"left out: {error}")
    else:
        found.append(Way("bf16", ROOT, {"precision": "bf16"}))
        found.append(Way("bf16, compiled", ROOT, {"precision": "bf16", "compile": True}))
    found.append(Way("fp32, compiled", ROOT, {"compile": True}))
    return found


def measure_rows(args: argparse.Namespace, folder: Path) -> None:
    """Print a line for each row and way."""
    chosen = [way for way in ways(args.against) if args.ways is None or way.name in args.ways]
    workers = [Worker(way, folder, args.threads) for way in chosen]
    files = [folder / f"{index}.npz" for index in range(len(workers))]
    print(f"{'':<23}{'':<18}{'CPU s':>8}{'wall s':>8}{'MiB':>7}  against the first line")
    for row in ROWS:
        if row.name not in args.rows:
            continue
        threshold = threshold_of(row, workers[0], files[0])
        costs: list[Cost | None] = [None] * len(workers)
        for number in range(args.rounds + 1):  # the first warms up
            for i, worker in enumerate(workers):
                cost = worker.measure(row, threshold, files[i])
                costs[i] = cost.least(costs[i]) if number else None
        for worker, cost, found in zip(workers, costs, files, strict=True):
            note = agreement(found, files[0]) + f", {len(np.load(found)['scores'])} detections"
            print_line(row.name, worker.way, cost, note)
    for worker in workers:
        worker.close()
    for way in chosen if PROGRAM in args.rows else ():
        costs_of = [first_image(way, folder, args.threads) for _ in range(args.rounds)]
        best = min(costs_of, key=lambda cost: cost.cpu_s)
        print_line(PROGRAM, way, best, "whole process")


def print_line(row: str, way: Way, cost: Cost | None, note: str) -> None:
    assert cost is not None  # after at least one round
    numbers = f"{cost.cpu_s:8.2f}{cost.wall_s:8.2f}{cost.extra_mib:7.0f}"
    print(f"{row:<23}{way.name:<18}{numbers}  {note}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", metavar="FILE", help="of the recipe; random ones by default")
    parser.add_argument("--image", metavar="FILE", help="what to detect in; made up by default")
    parser.add_argument("--against", metavar="FOLDER", help="another checkout, measured too")
    names = [*(row.name for row in ROWS), PROGRAM]
    parser.add_argument("--rows", nargs="+", choices=names, default=names, help="what is measured")
    parser.add_argument("--ways", nargs="+", metavar="WAY", help="such as fp32; by default all")
    parser.add_argument("--rounds", type=int, default=3, help="the least of so many counts")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--quick", action="store_true", help="a tiny model, to try the script")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker is not None:
        serve(json.loads(args.worker[0]), Path(args.worker[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        prepare(args, Path(name))
        measure_rows(args, Path(name))


if __name__ == "__main__":
    main()
