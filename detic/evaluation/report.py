"""The report of an evaluation: one HTML page that needs no other file.

It follows the light or dark theme of the reader.
"""

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from detic.evaluation.cutouts import Cutout, Draw, cutouts_of_classes, draw_rectangles
from detic.evaluation.plot import class_plot
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
    sections = [_numbers(evaluation, results), _table(evaluation), _plots(evaluation)]
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
    for title, indices in (("Best classes", best), ("Worst classes", worst)):
        sections.append(_class_section(title, indices, evaluation, cutouts))
    page = _PAGE.format(title=escape(dataset_name), style=_STYLE, body="\n".join(sections))
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


def _numbers(evaluation: Evaluation, results: ResultsFile) -> str:
    counts = {
        "images": evaluation.num_images,
        "classes": len(evaluation.classes),
        "annotated objects": sum(evaluation.classes.num_gt),
        "detections": len(results),
    }
    return (
        f'<p class="facts">{" · ".join(f"{value:,} {name}" for name, value in counts.items())}</p>'
    )


def _table(evaluation: Evaluation) -> str:
    names, rows = metrics_table(evaluation)
    head = "".join(f"<th>{escape(name)}</th>" for name in ["", *names])
    body = "".join(
        f"<tr><th>{escape(task)}</th>{''.join(f'<td>{value}</td>' for value in values)}</tr>"
        for task, *values in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _plots(evaluation: Evaluation) -> str:
    """Return a plot of each task that unfolds, the first one unfolded."""
    plots = []
    for task, score in evaluation.tasks.items():
        metric = next(iter(score.class_ap))
        plot = class_plot(evaluation.classes, score.main_class_ap, metric)
        state = "" if plots else " open"
        plots.append(f"<details{state}><summary>{escape(task)}</summary>{plot}</details>")
    return "<h2>Every class</h2>" + "".join(plots)


def _class_section(
    title: str,
    indices: Sequence[int],
    evaluation: Evaluation,
    cutouts: Mapping[int, Sequence[Cutout]],
) -> str:
    classes = evaluation.classes
    class_ap = next(iter(evaluation.tasks.values())).main_class_ap
    cards = []
    for index in indices:
        details = [classes.groups[index], f"{classes.num_gt[index]:,} annotated"]
        cards.append(
            f"<article><h3>{escape(classes.names[index])} <b>{format_percent(class_ap[index])}</b>"
            f"</h3><p>{escape(', '.join(filter(None, details)))}</p>"
            f'<div class="tiles">{"".join(map(_tile, cutouts.get(classes.ids[index], ())))}</div>'
            "</article>"
        )
    legend = '<p class="legend"><i class="gt"></i>annotated <i class="dt"></i>detected</p>'
    return f'<section><h2>{title}</h2>{legend}<div class="cards">{"".join(cards)}</div></section>'


def _tile(cutout: Cutout) -> str:
    encoded = base64.b64encode(cutout.jpeg).decode("ascii")
    caption = escape(cutout.caption)
    return (
        f'<figure><img src="data:image/jpeg;base64,{encoded}" alt="{caption}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""

_STYLE = """
:root {
  color-scheme: light dark;
  --page: #fcfcfa; --card: #ffffff; --ink: #1c1f24; --soft: #6a7078; --line: #e4e5e1;
  --group-0: #d95f02; --group-1: #1b9e77; --group-2: #6a64c4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14161a; --card: #1c1f25; --ink: #e9eaec; --soft: #9aa0a8; --line: #2c3038;
    --group-0: #ff9d5c; --group-1: #4fcfa6; --group-2: #aaa5f5;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif;
}
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { margin: 0; font-size: 26px; letter-spacing: -0.01em; }
h2 { margin: 44px 0 12px; font-size: 18px; }
h3 { margin: 0; font-size: 15px; display: flex; justify-content: space-between; gap: 12px; }
p { margin: 0; color: var(--soft); font-size: 13px; }
.facts { margin-bottom: 24px; font-size: 15px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 12px; text-align: right; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 500; font-size: 13px; }
tbody th, thead th:first-child { text-align: left; font-weight: 600; }
figure { margin: 0; }
figcaption { color: var(--soft); font-size: 13px; }
details {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 18px; margin-bottom: 12px;
}
summary { color: var(--soft); font-size: 13px; cursor: pointer; }
svg { width: 100%; height: auto; display: block; }
svg text { font-size: 11px; fill: var(--soft); }
svg .grid { stroke: var(--line); }
svg .point { opacity: 0.62; }
svg .point circle:hover { opacity: 1; stroke: var(--ink); }
svg .mean line { stroke-width: 2.5; stroke-linecap: round; }
svg .label { font-weight: 600; }
.group-0 circle, .group-0 text { fill: var(--group-0); } .group-0 line { stroke: var(--group-0); }
.group-1 circle, .group-1 text { fill: var(--group-1); } .group-1 line { stroke: var(--group-1); }
.group-2 circle, .group-2 text { fill: var(--group-2); } .group-2 line { stroke: var(--group-2); }
.legend { margin-bottom: 12px; }
.legend i {
  display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin: 0 5px -1px 0;
}
.legend .gt { border: 2px solid #27ae60; } .legend .dt { border: 2px solid #f56e14; margin-left: 12px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 16px; }
article {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px;
}
.tiles { display: grid; grid-template-columns: repeat(3, 1fr); gap: 8px; margin-top: 10px; }
.tiles:empty { display: none; }
.tiles img {
  width: 100%; aspect-ratio: 1; object-fit: contain; display: block;
  background: var(--page); border-radius: 6px;
}
.tiles figcaption { font-size: 11px; line-height: 1.3; margin-top: 4px; }
"""
