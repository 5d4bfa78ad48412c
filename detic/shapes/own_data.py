"""Teach the shipped detector classes of one's own, and measure what it forgets.

    python -m detic.shapes.own_data

Draws a world of nouns that the benchmark holds out: boxes (COCO format) of 24 classes, folders of
images of 8 more. Continues the shipped detector on them twice, with and without the data that it
was trained on before. Compares both with the detector as it was, on old and new classes.
"""

import argparse
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detectron2.utils.logger import setup_logger
from tabulate import tabulate

from detic import cli
from detic.evaluation.forgetting import (
    ForgettingReport,
    compare,
    read_evaluation,
    write_forgetting_report,
)
from detic.files import unfinished_folder, write_json, write_text
from detic.shapes.nouns import HELD_OUT_NOUNS
from detic.shapes.preparation import prepare_world
from detic.shapes.runs import CONFIGS, SHIPPED, TEXT_WEIGHTS, run_command, train
from detic.shapes.world import generate_world
from detic.shapes.world_spec import read_world_spec

logger = logging.getLogger("detic.shapes.own_data")  # also when run with python -m

OLD_SEED = 0  # of the world that the shipped weights were trained in
NEW_SEED = 100
NEW_SIZES = {"train_images": 300, "val_images": 200, "labels_per_class": 30}
OWN_FOLDER = "own_shapes"  # below the datasets root, where configs/shapes/OwnData.yaml looks
TEST_SETS = ("my_val", "old_val")
METRIC = "segm/AP"
OLD, BOXES, IMAGES = "old classes", "new classes with boxes", "new classes with images only"
# Recipe and heading of the ways to go on
COMPARISON = {"OwnData-no-replay": "without replay", "OwnData": "with replay"}


def teach_own_classes(output: Path, datasets: Path, weights: Path) -> None:
    """Run the whole example; what is finished already is kept.

    Args:
        output: folder of the trainings.
        datasets: the datasets root.
        weights: the detector to start from.
    """
    logger.info("1/3 the data: the old world, and a world of %s", ", ".join(HELD_OUT_NOUNS))
    prepare_world(datasets, OLD_SEED, TEXT_WEIGHTS)
    write_own_data(datasets, workers=os.cpu_count() or 1)
    logger.info("2/3 the detector as it is, on old and new classes")
    before = output / "before"
    if not all((before / f"inference_{name}" / "results.json").is_file() for name in TEST_SETS):
        evaluate("OwnData", before, datasets, weights)
    logger.info("3/3 two trainings on the new data")
    reports = {}
    for recipe in COMPARISON:
        train(recipe, output / recipe, datasets, {"MODEL.WEIGHTS": weights})
        reports[recipe] = _report(before, output / recipe, datasets)
        write_forgetting_report(reports[recipe], output / recipe)
    summary = summary_table(reports)
    write_text(output / "README.md", summary + "\n")
    logger.info("done: %s\n\n%s", output, summary)


def summary_table(reports: Mapping[str, ForgettingReport]) -> str:
    """Return mean mask AP of each group before and after each training, as a markdown table."""
    before = reports[next(iter(COMPARISON))].groups
    after = zip(*(reports[recipe].groups for recipe in COMPARISON), strict=True)
    rows = [
        (group.group, group.num_classes, group.before, *(g.after for g in of_runs))
        for group, of_runs in zip(before, after, strict=True)
    ]
    headers = ["mask AP, percent", "classes", "before", *COMPARISON.values()]
    return tabulate(rows, headers, tablefmt="github", floatfmt=".1f")


def write_own_data(datasets: Path, sizes: Mapping[str, Any] = NEW_SIZES, workers: int = 1) -> None:
    """Write data of new classes, as somebody would bring it, next to the world they are drawn from.

    Below ``own_shapes``: ``boxes.json`` in COCO's format, ``images/<class>/``, ``vocabulary.txt``
    with the names of old and new classes, and ``new_classes.txt``.

    Args:
        datasets: the datasets root, which holds the old world.
        sizes: numbers of images, see ``generate_world``.
        workers: processes that draw.
    """
    root = datasets / OWN_FOLDER
    world = generate_world(root, NEW_SEED, **sizes, nouns=HELD_OUT_NOUNS, workers=workers)
    base = json.loads((world / "annotations" / "train_norare.json").read_text(encoding="utf-8"))
    write_json(root / "boxes.json", as_coco(base))
    classes = read_world_spec(root).classes
    if not (root / "images").exists():
        with unfinished_folder(root / "images") as images:
            for name in (c.name.replace(" ", "_") for c in classes if c.novel):
                shutil.copytree(world / "labels" / name, images / name)
    old_names = [c.name for c in read_world_spec(datasets).classes]
    new_names = [c.name for c in classes]
    write_text(root / "new_classes.txt", "\n".join(new_names) + "\n")
    write_text(root / "vocabulary.txt", "\n".join(old_names + new_names) + "\n")


def as_coco(document: dict) -> dict:
    """Return a world's annotation file without the classes that lack boxes and without LVIS's own
    fields."""
    with_boxes = {annotation["category_id"] for annotation in document["annotations"]}
    return {
        "categories": [
            {"id": c["id"], "name": c["name"]}
            for c in document["categories"]
            if c["id"] in with_boxes
        ],
        "images": [
            {key: image[key] for key in ("id", "file_name", "width", "height")}
            for image in document["images"]
        ],
        "annotations": [{**a, "iscrowd": 0} for a in document["annotations"]],
    }


def evaluate(recipe: str, output: Path, datasets: Path, weights: Path) -> None:
    """Evaluate weights on the test sets of a recipe of ``configs/shapes``."""
    run_command(
        "evaluate",
        *("--config-file", str(CONFIGS / f"{recipe}.yaml"), "--num-gpus", "0"),
        *("OUTPUT_DIR", str(output), "MODEL.WEIGHTS", str(weights)),
        datasets=datasets,
    )


def _report(before: Path, after: Path, datasets: Path) -> ForgettingReport:
    group_of = {c.name: OLD for c in read_world_spec(datasets).classes}
    for shape_class in read_world_spec(datasets / OWN_FOLDER).classes:
        group_of[shape_class.name] = IMAGES if shape_class.novel else BOXES
    return compare(
        read_evaluation(before, METRIC),
        read_evaluation(after, METRIC),
        group_of.__getitem__,
        METRIC,
        (OLD, BOXES, IMAGES),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the example as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m detic.shapes.own_data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, default=Path("output/own_data"), help="folder")
    parser.add_argument("--datasets", type=Path, default=Path("datasets"), help="datasets root")
    parser.add_argument(
        "--weights", type=Path, default=SHIPPED / "detic.pth", help="the detector to start from"
    )
    options = parser.parse_args(arguments)
    setup_logger(name="detic")
    cli.run(
        teach_own_classes,
        options.output.resolve(),
        options.datasets.resolve(),
        options.weights.resolve(),
    )


if __name__ == "__main__":
    main()
