"""The report of an evaluation: one HTML page that needs no other file.

What it looks like is in ``templates/``. It follows the light or dark theme of the reader.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detic.evaluation.class_rows import classes_table, shade
from detic.evaluation.confusion import MIN_SCORE, Confusions, count_confusions
from detic.evaluation.curve_plot import CurvePlot, curve_plot
from detic.evaluation.cutouts import Cutout, Draw, cutouts_of_classes, draw_rectangles
from detic.evaluation.plot import ClassPlot, class_plot
from detic.evaluation.provenance import provenance
from detic.evaluation.results_file import ResultsFile
from detic.evaluation.scores import Evaluation
from detic.evaluation.summary import format_percent, metrics_table
from detic.files import write_text
from detic.pages import template
from detic.result_rows import ImageId

NUM_SHOWN_CLASSES = 6  # at each end
NUM_PAIRS = 20  # of classes that are taken for each other
MAX_MATRIX_CLASSES = 30  # with more, a matrix of all pairs is too large to read

logger = logging.getLogger(__name__)


def write_report(
    evaluation: Evaluation,
    results: ResultsFile,
    path: Path,
    *,
    dataset_name: str,
    origin: Mapping[str, str] | None = None,
    image_files: Callable[[], Mapping[ImageId, str]],
    draw: Draw = draw_rectangles,
) -> None:
    """Write the report of an evaluation.

    Args:
        evaluation: the scores.
        results: the detections that were scored.
        path: of the page.
        dataset_name: the title.
        origin: what was evaluated, by heading, such as the weights.
        image_files: gives the image files by image id; {} for a report without cutouts.
        draw: puts boxes into a cutout.
    """
    best, worst = best_and_worst(evaluation)
    ids, names = evaluation.classes.ids, evaluation.classes.names
    cutouts = cutouts_of_classes(
        [ids[index] for index in best + worst],
        evaluation.annotations_of_class,
        results,
        dict(zip(ids, names, strict=True)),
        image_files(),
        draw,
    )
    metric_names, metric_rows = metrics_table(evaluation)
    confusions = count_confusions(evaluation, results)
    page = template("detic.evaluation", "report.html.jinja").render(
        title=dataset_name,
        facts=_facts(evaluation, results),
        metric_names=metric_names,
        metric_rows=metric_rows,
        plots=_plots(evaluation),
        curves=_curves(evaluation),
        confused=_confused(evaluation, confusions),
        matrix=_matrix(evaluation, confusions),
        table=classes_table(evaluation, confusions),
        min_score=MIN_SCORE,
        origin=provenance(origin or {}),
        sections={
            "Best classes": _cards(best, evaluation, cutouts),
            "Worst classes": _cards(worst, evaluation, cutouts),
        },
    )
    write_text(path, page)
    logger.info("the report is in %s", path)


def best_and_worst(evaluation: Evaluation) -> tuple[list[int], list[int]]:
    """Return the indices of classes with the highest precision, and of those with the lowest.

    Of classes that are equally good those with more annotations come first. No class is in both.
    """
    class_ap = next(iter(evaluation.tasks.values())).main_class_ap
    annotated = np.flatnonzero(~np.isnan(class_ap))
    num_gt = np.array(evaluation.classes.num_gt)[annotated]
    count = min(NUM_SHOWN_CLASSES, (len(annotated) + 1) // 2)
    falling = annotated[np.lexsort((-num_gt, -class_ap[annotated]))].tolist()
    rising = annotated[np.lexsort((-num_gt, class_ap[annotated]))].tolist()
    best = falling[:count]
    return best, [index for index in rising if index not in best][:count]


def _facts(evaluation: Evaluation, results: ResultsFile) -> list[tuple[int, str]]:
    return [
        (evaluation.num_images, "images"),
        (len(evaluation.classes), "classes"),
        (sum(evaluation.classes.num_gt), "annotated objects"),
        (len(results), "detections"),
    ]


def _plots(evaluation: Evaluation) -> dict[str, ClassPlot | None]:
    """Return a plot of each task."""
    return {
        task: class_plot(evaluation.classes, score.main_class_ap, next(iter(score.class_ap)))
        for task, score in evaluation.tasks.items()
    }


def _curves(evaluation: Evaluation) -> dict[str, CurvePlot]:
    """Return the plot of precision over recall of each task that has one."""
    plots = {
        task: curve_plot(evaluation.classes, score.curves)
        for task, score in evaluation.tasks.items()
        if score.curves is not None
    }
    return {task: plot for task, plot in plots.items() if plot is not None}


def _confused(evaluation: Evaluation, confusions: Confusions) -> list[tuple[str, str, int, int]]:
    """Return (annotated, detected, count, annotated objects) of the commonest confusions."""
    names, num_gt = evaluation.classes.names, evaluation.classes.num_gt
    return [
        (names[annotated], names[detected], count, num_gt[annotated])
        for annotated, detected, count in confusions.pairs()[:NUM_PAIRS]
    ]


def _matrix(
    evaluation: Evaluation, confusions: Confusions
) -> list[tuple[str, list[tuple[int, int]]]] | None:
    """Return the rows of the matrix, each a name with (count, shade) of its cells; None: too many.

    Rows are what is annotated, columns what was detected; the last of both is nothing.
    """
    names = (*evaluation.classes.names, "nothing")
    if len(evaluation.classes) > MAX_MATRIX_CLASSES:
        return None
    return [
        (name, [(count, shade(count, sum(row))) for count in row])
        for name, row in zip(names, confusions.matrix().tolist(), strict=True)
    ]


@dataclass(frozen=True)
class Card:
    """What the report says about a class."""

    name: str
    precision: str  # in percent
    details: str  # group and number of annotations
    cutouts: Sequence[Cutout]


def _cards(
    indices: Sequence[int], evaluation: Evaluation, cutouts: Mapping[int, Sequence[Cutout]]
) -> list[Card]:
    classes = evaluation.classes
    class_ap = next(iter(evaluation.tasks.values())).main_class_ap
    return [
        Card(
            name=classes.names[index],
            precision=format_percent(class_ap[index]),
            details=", ".join(
                filter(None, [classes.groups[index], f"{classes.num_gt[index]:,} annotated"])
            ),
            cutouts=cutouts.get(classes.ids[index], ()),
        )
        for index in indices
    ]
