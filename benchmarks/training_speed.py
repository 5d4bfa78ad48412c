"""Measure a training step on the CPU: two images of 480 x 640 pixels, ResNet-50, random weights.

    python benchmarks/training_speed.py
    python benchmarks/training_speed.py --against ../other-checkout --rounds 5
    python benchmarks/training_speed.py --quick

Every setting runs in a process of its own. With --against, a second process takes the same steps by
the code in another checkout of this repository, in turn with the first. The least time of all
rounds counts. Images, boxes and masks are made up; the first steps start from the same weights, so
their losses can be compared.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[1]
RECIPES = {
    "boxes": "BoxSup-C2_L_CLIP_R5021k_640b64_4x",
    "labels": "Detic_LI_CLIP_R5021k_640b64_4x_ft4x_max-size",
}
# exact: as the recipe says, in single precision
PRECISIONS = {
    "exact": [],
    "bf16": ["SOLVER.AMP.ENABLED", "True", "SOLVER.AMP.DTYPE", "bfloat16"],
}
PARTS = ("forward", "backward", "optimizer")
QUICK = [
    *("MODEL.TIMM.BASE_NAME", "resnet10t_shapes", "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", "32"),
    *("MODEL.ROI_BOX_HEAD.FC_DIM", "64", "MODEL.ROI_MASK_HEAD.CONV_DIM", "16"),
    *("MODEL.FPN.OUT_CHANNELS", "32", "MODEL.CENTERNET.POST_NMS_TOPK_TRAIN", "20"),
]


@dataclass(frozen=True)
class Setting:
    """What is trained, and how."""

    batch: str  # a key of RECIPES
    precision: str  # a key of PRECISIONS
    threads: int
    quick: bool = False  # a tiny model and tiny images

    @property
    def size_hw(self) -> tuple[int, int]:
        return (96, 128) if self.quick else (480, 640)


@dataclass(frozen=True)
class Step:
    """One step: its seconds by part, the memory of the process so far, and its losses."""

    cpu: dict[str, float]
    wall: dict[str, float]
    peak_memory_mb: float
    losses: dict[str, float]


class Training:
    """A model that takes step after step on the same batch."""

    def __init__(self, setting: Setting):
        from random_models import random_detector, random_recipe, training_batch

        from detic.annotation import AnnotationKind
        from detic.engine.optimizer import build_optimizer
        from detic.plan.optimization import PrecisionParams

        changes = [
            "FP16",
            "False",
            *PRECISIONS[setting.precision],
            *(QUICK if setting.quick else []),
        ]
        with tempfile.TemporaryDirectory() as folder:
            cfg = random_recipe(RECIPES[setting.batch], Path(folder), overrides=changes)
            self.model = random_detector(cfg).train()
        self.optimizer = build_optimizer(cfg, self.model)
        self.precision = PrecisionParams.from_config(cfg)
        source = list(RECIPES).index(setting.batch)
        kind = (AnnotationKind.BOX, AnnotationKind.IMAGE)[source]
        self.batch = training_batch(kind, setting.size_hw, 2, source)

    def step(self) -> Step:
        from detectron2.utils.events import EventStorage

        torch.manual_seed(1)
        clock = Clock()
        self.optimizer.zero_grad(set_to_none=True)
        enabled = self.precision.whole_model
        with EventStorage(), torch.autocast("cpu", self.precision.dtype, enabled=enabled):
            losses = self.model(self.batch)
        clock.stop("forward")
        torch.stack(list(losses.values())).sum().backward()
        clock.stop("backward")
        self.optimizer.step()
        clock.stop("optimizer")
        values = {name: loss.item() for name, loss in losses.items()}
        return Step(clock.cpu, clock.wall, peak_memory_mb(), values)


class Clock:
    """CPU and wall seconds of the parts of a step, each from the end of the one before."""

    def __init__(self):
        self.cpu: dict[str, float] = {}
        self.wall: dict[str, float] = {}
        self._last = time.process_time(), time.perf_counter()

    def stop(self, part: str) -> None:
        now = time.process_time(), time.perf_counter()
        self.cpu[part], self.wall[part] = (b - a for a, b in zip(self._last, now, strict=True))
        self._last = now


def peak_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Worker:
    """A training in a process of its own, by the code of a checkout."""

    def __init__(self, setting: Setting, checkout: Path):
        # Idle threads must not spin: they would count as CPU time.
        variables = {
            "PYTHONPATH": f"{checkout / 'portable'}{os.pathsep}{checkout}",
            "OMP_NUM_THREADS": str(setting.threads),
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", json.dumps(asdict(setting))],
            env=os.environ | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def step(self) -> Step:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Step(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate()


def serve(setting: Setting) -> None:
    """Take a step for each line of the standard input, and print it as a line of json."""
    torch.set_num_threads(setting.threads)
    training = Training(setting)
    for _ in sys.stdin:
        print(json.dumps(asdict(training.step())), flush=True)


def measure(setting: Setting, checkouts: Sequence[Path], rounds: int) -> list[list[Step]]:
    """Return the steps of each checkout, taken in turn; the first is there for its losses."""
    with ExitStack() as stack:
        workers = [stack.enter_context(closing(Worker(setting, c))) for c in checkouts]
        return list(zip(*([w.step() for w in workers] for _ in range(1 + rounds)), strict=True))


def table_row(name: str, steps: Sequence[Step], reference: Sequence[Step]) -> list:
    """Return the seconds of a step, the ratio to the reference's, memory, and losses' difference."""
    cpu = [least(steps, "cpu", part) for part in PARTS]
    total, wall = (least(steps, kind, *PARTS) for kind in ("cpu", "wall"))
    ratios = [least(reference, "cpu", *PARTS) / total, least(reference, "wall", *PARTS) / wall]
    difference = largest_difference(steps[0].losses, reference[0].losses)
    return [name, *cpu, total, wall, *ratios, steps[-1].peak_memory_mb, f"{difference:.0e}"]


def least(steps: Sequence[Step], kind: str, *parts: str) -> float:
    """Return the least seconds of the given parts together; the first step is slower."""
    return min(sum(getattr(step, kind)[part] for part in parts) for step in steps[1:])


def largest_difference(losses: dict[str, float], others: dict[str, float]) -> float:
    """Return the largest relative difference of two steps' losses."""
    return max(abs(losses[n] - x) / max(abs(x), 1e-6) for n, x in others.items())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure as the command line says."""
    args = argument_parser().parse_args(arguments)
    if args.serve:
        return serve(Setting(**json.loads(args.serve)))
    checkouts = [ROOT, *([args.against.resolve()] if args.against else [])]
    rows = []
    for batch in args.batches:
        exact: Sequence[Step] = []
        for precision in args.precisions:
            setting = Setting(batch, precision, args.threads, args.quick)
            ours, *others = measure(setting, checkouts, args.rounds)
            exact = exact or ours
            reference = others[0] if others else exact
            rows.append(table_row(f"{batch}, {precision}", ours, reference))
            if others:
                rows.append(table_row("  the other checkout", reference, reference))
    print(f"{args.threads} threads; ratios and losses: against ", end="")
    print(args.against or f"{args.precisions[0]} of the same batch")
    columns = [*PARTS, "CPU s", "wall s", "CPU ratio", "wall ratio", "peak MB", "loss difference"]
    print(tabulate(rows, ["step", *columns], floatfmt=".2f", disable_numparse=[len(columns)]))


def argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", type=Path, help="folder of another checkout")
    parser.add_argument(
        "--batches", nargs="+", choices=RECIPES, default=list(RECIPES), help="default: all"
    )
    parser.add_argument(
        "--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS), help="default: all"
    )
    parser.add_argument("--rounds", type=int, default=3, help="steps that are timed (default 3)")
    parser.add_argument("--threads", type=int, default=2, help="of torch (default 2)")
    parser.add_argument("--quick", action="store_true", help="a tiny model, to see that it runs")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
