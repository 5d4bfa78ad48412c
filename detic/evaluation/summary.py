"""The summary of an evaluation: results.json, per_class.csv, a table in the log."""

import csv
import logging
import math
from pathlib import Path

import numpy as np
from tabulate import tabulate

from detic.evaluation.scores import Evaluation
from detic.files import unfinished_path, unfinished_text, write_json
from detic.spreadsheet import as_cell

logger = logging.getLogger(__name__)


def write_results(evaluation: Evaluation, dataset_name: str, folder: Path) -> None:
    """Write results.json: {dataset: {task: {metric: value or null}}}."""
    results = {
        task: {name: None if math.isnan(value) else value for name, value in metrics.items()}
        for task, metrics in evaluation.results().items()
    }
    write_json(folder / "results.json", {dataset_name: results})


def write_per_class(evaluation: Evaluation, folder: Path) -> None:
    """Write per_class.csv: for each class its name, group, number of annotations and precisions.

    Precisions are in percent, empty for a class without annotations. The group is the frequency
    in LVIS, and seen or unseen in open-vocabulary COCO. Names are cells as ``detic.spreadsheet`` has
    them.
    """
    classes = evaluation.classes
    columns = {
        f"{task}/{metric}": values
        for task, score in evaluation.tasks.items()
        for metric, values in score.class_ap.items()
    }
    precisions = zip(*columns.values(), strict=True)
    with unfinished_text(folder / "per_class.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "frequency", *columns, "num_gt"])
        for name, group, values, num_gt in zip(
            classes.names, classes.groups, precisions, classes.num_gt, strict=True
        ):
            written = ["" if math.isnan(value) else f"{value:.4f}" for value in values]
            writer.writerow([as_cell(name), group, *written, num_gt])


def write_class_array(evaluation: Evaluation, path: Path) -> None:
    """Write the precisions of the last run as an array, (C,) fractions, -1 without annotations."""
    *_, score = evaluation.tasks.values()
    *_, percent = score.class_ap.values()
    with unfinished_path(path) as unfinished, unfinished.open("wb") as file:
        np.save(file, np.nan_to_num(percent / 100, nan=-1.0))


def metrics_table(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Return the names of the metrics, and for each task its name and the metrics in percent."""
    names = list(dict.fromkeys(n for score in evaluation.tasks.values() for n in score.metrics))
    rows = [
        [task, *(format_percent(score.percent.get(name, math.nan)) for name in names)]
        for task, score in evaluation.tasks.items()
    ]
    return names, rows


def format_percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def results_table(evaluation: Evaluation) -> str:
    """Return the metrics in percent as a text table, a task a row."""
    names, rows = metrics_table(evaluation)
    return tabulate(rows, headers=["task", *names], disable_numparse=True, stralign="right")


def log_results(evaluation: Evaluation, dataset_name: str) -> None:
    """Log the metrics as a table."""
    num_images = evaluation.num_images
    logger.info("%s, %d images, percent:\n%s", dataset_name, num_images, results_table(evaluation))
