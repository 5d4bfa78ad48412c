"""The benchmark's trainings, as the commands a user would type, and their results."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from detic import commands
from detic.paths import resource

CONFIGS = resource("configs/shapes")
SHIPPED = resource("models/shapes")
TEXT_WEIGHTS = SHIPPED / "clip_text.safetensors"

TEST_SET = "shapes_val"
# Recipe and row of the closing table for the two ways to go on from stage 1.
COMPARISON = {"BoxSup-continued": "box-supervised", "Detic": "+ image labels"}


def train(recipe: str, output: Path, datasets: Path, overrides: Mapping[str, object]) -> None:
    """Train a recipe of ``configs/shapes`` on the CPU, or go on where it was interrupted.

    Args:
        output: its OUTPUT_DIR.
        datasets: the datasets root.
        overrides: configuration keys and values.

    Raises:
        InputError: the training failed, and has said why.
    """
    options = [str(part) for pair in overrides.items() for part in pair]
    resume = ["--resume"] if (output / "last_checkpoint").exists() else []
    run_command(
        "train",
        *("--config-file", str(CONFIGS / f"{recipe}.yaml"), "--num-gpus", "0", *resume),
        *("OUTPUT_DIR", str(output), *options),
        datasets=datasets,
    )


def run_command(command: str, *arguments: str, datasets: Path | None = None) -> None:
    """Run a command of ``detic`` to its end.

    Args:
        command: such as train.
        arguments: of the command.
        datasets: the datasets root; None: as the environment says.

    Raises:
        InputError: it failed, and has said why.
    """
    # A second thread gains a tenth on models of this size, but waits for its core by spinning:
    # with anything else running, steps take many times as long.
    environment = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    if datasets is not None:
        environment["DETECTRON2_DATASETS"] = str(datasets)
    commands.run_command(command, *arguments, environment=environment)


def read_metrics(output: Path, task: str = "segm", *, test_set: str = TEST_SET) -> dict[str, float]:
    """Return the metrics (percent) of the evaluation that ended a training."""
    results = json.loads((output / f"inference_{test_set}" / "results.json").read_text())
    return results[test_set][task]


def comparison_table(
    metrics: Mapping[str, Mapping[str, float]], columns: Sequence[str] = ("AP", "APr", "APc", "APf")
) -> str:
    """Return mask AP of the trainings of COMPARISON as a table, by recipe."""
    rows = [
        [label, *(metrics[recipe][column] for column in columns)]
        for recipe, label in COMPARISON.items()
    ]
    return tabulate(rows, headers=["mask AP, percent", *columns], floatfmt=".1f")
