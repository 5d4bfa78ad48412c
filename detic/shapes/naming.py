"""Which part of their names detected objects get right: the look, the noun, or both.

    python -m detic.shapes.naming --annotations datasets/shapes/annotations/val.json \\
        --predictions output/shapes/Detic/inference_shapes_val/lvis_instances_results.json

Of the detections that lie on an annotated object, the likeliest names it. The table has shares in
percent, of base and of novel classes. It tells which half of a name a detector has not learned.
"""

import argparse
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hotcoco import mask as rle
from tabulate import tabulate

from detic import cli
from detic.documents import read_json
from detic.evaluation.results_reader import read_results

logger = logging.getLogger("detic.shapes.naming")  # also when run with python -m

MIN_IOU = 0.5  # from which on a detection lies on an object
GROUPS = {"base": "fc", "novel": "r"}  # letters of their classes' frequencies


@dataclass(frozen=True)
class NamingShares:
    """What share of the annotated objects was found, and of these which was named right."""

    objects: int
    found: float
    look: float
    noun: float
    both: float


def naming_shares(
    categories: Sequence[dict[str, Any]], annotations: Iterable[dict], detections: Iterable[dict]
) -> dict[str, NamingShares]:
    """Return the shares of base and novel classes.

    Args:
        categories: with ``id``, ``name`` (look and noun) and ``frequency``, r for novel classes.
        annotations: with ``image_id``, ``category_id`` and ``bbox``.
        detections: the same, with ``score``.
    """
    halves = {c["id"]: tuple(c["name"].rsplit(" ", 1)) for c in categories}  # look, noun
    letters = {c["id"]: c["frequency"] for c in categories}
    by_image: dict[Any, list[dict]] = defaultdict(list)
    for detection in detections:
        by_image[detection["image_id"]].append(detection)
    rows: dict[str, list[list[bool]]] = {group: [] for group in GROUPS}  # found, look, noun
    for annotation in annotations:
        truth = annotation["category_id"]
        taken_for = _taken_for(annotation["bbox"], by_image[annotation["image_id"]])
        look, noun = halves.get(taken_for, (None, None))
        group = next(group for group, of_group in GROUPS.items() if letters[truth] in of_group)
        rows[group].append([look is not None, look == halves[truth][0], noun == halves[truth][1]])
    return {group: _shares(of_group) for group, of_group in rows.items()}


def _taken_for(box_xywh: Sequence[float], detections: Sequence[dict]) -> int | None:
    """Return the class of the likeliest detection on a box, None if there is none."""
    if not detections:
        return None
    boxes = np.array([d["bbox"] for d in detections], dtype=np.float64)
    ious = rle.bbox_iou(boxes, np.array([box_xywh], dtype=np.float64), [False])[:, 0]
    on_box = [d for d, iou in zip(detections, ious, strict=True) if iou > MIN_IOU]
    return max(on_box, key=lambda d: d["score"])["category_id"] if on_box else None


def _shares(rows: Sequence[Sequence[bool]]) -> NamingShares:
    """Return the shares of objects whose rows tell whether they are found, their look and noun right."""
    table = np.array(rows, dtype=bool).reshape(-1, 3)
    found = table[table[:, 0]]
    of_found = max(len(found), 1)
    return NamingShares(
        objects=len(table),
        found=len(found) / max(len(table), 1),
        look=int(found[:, 1].sum()) / of_found,
        noun=int(found[:, 2].sum()) / of_found,
        both=int(found.all(axis=1).sum()) / of_found,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the shares as the command line says."""
    parser = cli.argument_parser(__doc__, prog="python -m detic.shapes.naming")
    parser.add_argument("--annotations", type=Path, required=True, help="of the scenes")
    parser.add_argument("--predictions", type=Path, required=True, help="what was detected in them")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cli.run(_run, options)


def _run(options: argparse.Namespace) -> None:
    truth = read_json(options.annotations)
    results = read_results(options.predictions)
    assert isinstance(truth, dict)
    shares = naming_shares(truth["categories"], truth["annotations"], results.content or ())
    rows = [
        (group, s.objects, *(100 * share for share in (s.found, s.look, s.noun, s.both)))
        for group, s in shares.items()
    ]
    headers = ["percent", "objects", "found", "look right", "noun right", "both"]
    logger.info(tabulate(rows, headers, floatfmt=".1f"))


if __name__ == "__main__":
    main()
