"""The report of an evaluation: one HTML page that needs no other file.

What it looks like is in ``templates/``. It follows the light or dark theme of the reader.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from detic.evaluation.cutouts import Cutout, Draw, cutouts_of_classes, draw_rectangles
from detic.evaluation.plot import ClassPlot, class_plot
from detic.evaluation.results_file import ResultsFile
from detic.evaluation.scores import Evaluation
from detic.evaluation.summary import format_percent, metrics_table
from detic.files import write_text
from detic.result_rows import ImageId

NUM_SHOWN_CLASSES = 6  # at each end

logger = logging.getLogger(__name__)


def write_report(
    evaluation: Evaluation,
    results: ResultsFile,
    path: Path,
    *,
    dataset_name: str,
    image_files: Callable[[], Mapping[ImageId, str]],
    draw: Draw = draw_rectangles,
) -> None:
    """Write the report of an evaluation.

    Args:
        evaluation: the scores.
        results: the detections that were scored.
        path: of the page.
        dataset_name: the title.
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
    page = (
        _templates()
        .get_template("report.html.jinja")
        .render(
            title=dataset_name,
            facts=_facts(evaluation, results),
            metric_names=metric_names,
            metric_rows=metric_rows,
            plots=_plots(evaluation),
            sections={
                "Best classes": _cards(best, evaluation, cutouts),
                "Worst classes": _cards(worst, evaluation, cutouts),
            },
        )
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


def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("detic.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


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
