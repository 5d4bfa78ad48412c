"""Let the shipped detector label scenes that nobody annotated, train on these labels, and measure.

    python -m detic.shapes.own_labels --seed 21

Draws fresh scenes of the 96 classes that the detector knows. Looks for them in most of the scenes and
writes what is found, with scores, as an annotation file. Continues the detector twice: on that file
beside the data that it was trained on before, and on the latter alone. Compares both with the
detector as it was, on the other fresh scenes, whose annotations it never sees.
"""

import argparse
import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from detectron2.utils.logger import setup_logger
from tabulate import tabulate

from detic import cli
from detic.calibration.evidence import AnnotatedBoxes, ClassEvidence, Evidence, FoundBoxes
from detic.errors import InputError
from detic.files import unfinished_folder, write_json, write_text
from detic.predictor import Detector
from detic.progress import track
from detic.shapes.annotation import document
from detic.shapes.images import TRAIN_SPLIT, VAL_SPLIT, SceneSplit, write_scene
from detic.shapes.own_data import OLD_SEED, as_coco, evaluate
from detic.shapes.preparation import prepare_world
from detic.shapes.runs import CONFIGS, SHIPPED, TEXT_WEIGHTS, read_metrics, train
from detic.shapes.world_spec import FOLDER, read_world_spec
from detic.weight_files import weights_sha256

logger = logging.getLogger("detic.shapes.own_labels")  # also when run with python -m

FRESH_FOLDER = "fresh_shapes"  # below the datasets root, where configs/shapes/OwnLabels.yaml looks
NUM_SCENES, NUM_TEST_SCENES = 1000, 400
TEST_SET = "fresh_val"
LEAST_SCORE = 0.1  # of what is written down; the recipe chooses among it
# Recipe and heading of the ways to go on
COMPARISON = {"OwnLabels-alone": "old data alone", "OwnLabels": "+ own labels"}
COLUMNS = ("AP", "APr", "APc", "APf")
SHOWN_SCORES = (0.2, 0.3, 0.4, 0.5)


def learn_from_own_labels(output: Path, seed: int, weights: Path) -> None:
    """Run the whole experiment; what is finished already is kept.

    Args:
        output: folder of the data and the trainings.
        seed: of the fresh scenes and the trainings.
        weights: the detector to start from.

    Raises:
        InputError: the scenes of the seed are not fresh, or what is finished was made with another
            seed or detector.
    """
    if seed == OLD_SEED:
        raise InputError(
            f"seed {seed} drew the scenes that the detector was trained on; choose another --seed"
        )
    _note_settings(output, {"seed": str(seed), "weights": weights_sha256(weights)})
    datasets = output / "datasets"
    logger.info("1/4 the old world, and fresh scenes of its classes")
    prepare_world(datasets, OLD_SEED, TEXT_WEIGHTS)
    draw_fresh_scenes(datasets, seed)
    logger.info("2/4 what the detector finds in %d of them", NUM_SCENES)
    if not (datasets / FRESH_FOLDER / "found.json").exists():
        label_scenes(datasets, weights)
    logger.info("3/4 the detector as it is")
    if not (output / "before" / f"inference_{TEST_SET}" / "results.json").is_file():
        evaluate("OwnLabels-alone", output / "before", datasets, weights)
    logger.info("4/4 two trainings")
    metrics = {"before": read_metrics(output / "before", test_set=TEST_SET)}
    for recipe, heading in COMPARISON.items():
        train(recipe, output / recipe, datasets, {"MODEL.WEIGHTS": weights, "SEED": seed})
        metrics[heading] = read_metrics(output / recipe, test_set=TEST_SET)
    summary = f"{summary_table(metrics)}\n\n{labels_table(*_read_labels(datasets))}"
    write_text(output / "README.md", summary + "\n")
    logger.info("done: %s\n\n%s", output, summary)


def _note_settings(output: Path, settings: Mapping[str, str]) -> None:
    """Write down what an output folder is made with, unless it was begun with the same.

    Raises:
        InputError: it was begun with something else, or nobody knows with what.
    """
    path = output / "settings.json"
    if path.is_file():
        begun_with = json.loads(path.read_text(encoding="utf-8"))
    else:
        begun_with = {} if (output / "datasets").exists() else settings
    other = [name for name, value in settings.items() if begun_with.get(name) != value]
    if other:
        raise InputError(
            f"{output} was begun with other {' and '.join(other)}; go on with the same --seed and "
            "--weights, or choose another --output"
        )
    write_json(path, dict(settings))


def summary_table(metrics: Mapping[str, Mapping[str, float]]) -> str:
    """Return mask AP of the fresh test scenes by heading, as a markdown table."""
    rows = [[heading, *(of_one[name] for name in COLUMNS)] for heading, of_one in metrics.items()]
    headers = ["mask AP, percent", *COLUMNS]
    return tabulate(rows, headers, tablefmt="github", floatfmt=".1f")


def labels_table(found: Mapping[str, Any], hidden: Mapping[str, Any]) -> str:
    """Return how many labels are right and how many objects have one, as a markdown table.

    A label is right if an object of its class has an IoU of .5 or more with it.

    Args:
        found: the annotation file that the detector made.
        hidden: that of the drawn objects.
    """
    classes = _judged(found, hidden).classes
    novel = [category["frequency"] == "r" for category in hidden["categories"]]
    rows = []
    for least in SHOWN_SCORES:
        row: list[float] = [least]
        for is_novel in (False, True):
            group = [c for c, of_class in zip(classes, novel, strict=True) if of_class == is_novel]
            labels = [r for c in group for s, r in _labels(c) if s >= least]
            row += [100 * sum(labels) / max(len(labels), 1)]
            row += [100 * sum(labels) / max(sum(c.num_objects for c in group), 1)]
        rows.append(row)
    headers = ["labels from", "base: right", "of objects", "novel: right", "of objects"]
    return tabulate(rows, headers, tablefmt="github", floatfmt=("g", *[".0f"] * 4))


def _labels(evidence: ClassEvidence) -> Iterator[tuple[float, bool]]:
    return zip(evidence.scores, evidence.is_right, strict=True)


def _judged(found: Mapping[str, Any], hidden: Mapping[str, Any]) -> Evidence:
    """Return the labels of all images, compared with the drawn objects."""
    index = {category["id"]: i for i, category in enumerate(hidden["categories"])}
    rows: dict[str, dict[int, list[dict]]] = {
        "found": defaultdict(list),
        "hidden": defaultdict(list),
    }
    for name, content in (("found", found), ("hidden", hidden)):
        for row in content["annotations"]:
            rows[name][row["image_id"]].append(row)
    evidence = Evidence(len(index))
    for image in hidden["images"]:
        objects = rows["hidden"][image["id"]]
        labels = sorted(rows["found"][image["id"]], key=lambda row: -row["score"])
        evidence.add_boxes(
            FoundBoxes(*_boxes(labels, index), [row["score"] for row in labels]),
            AnnotatedBoxes(*_boxes(objects, index), [False] * len(objects), range(len(index))),
        )
    return evidence


def _boxes(rows: Sequence[dict], index: Mapping[int, int]) -> tuple[list[list[float]], list[int]]:
    """Return the boxes XYWH and the class indices of annotations."""
    return [row["bbox"] for row in rows], [index[row["category_id"]] for row in rows]


def _read_labels(datasets: Path) -> list[dict]:
    """Return the content of ``found.json`` and ``hidden.json``."""
    paths = (datasets / FRESH_FOLDER / f"{name}.json" for name in ("found", "hidden"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def draw_fresh_scenes(
    datasets: Path, seed: int, num_scenes: int = NUM_SCENES, num_test_scenes: int = NUM_TEST_SCENES
) -> None:
    """Draw scenes of the old world's classes, unless they are there.

    Below ``fresh_shapes``: ``train/`` and ``scenes.json``, a COCO file without annotations, which are
    in ``hidden.json``; ``val/`` and ``val.json``.

    Args:
        datasets: the datasets root, which holds the old world.
        seed: of the scenes.
        num_scenes: to be labelled.
        num_test_scenes: to evaluate on.
    """
    folder = datasets / FRESH_FOLDER
    if folder.exists():
        return
    old = json.loads((datasets / FOLDER / "annotations" / "val.json").read_text(encoding="utf-8"))
    draw = partial(_draw, datasets, seed=seed)
    with unfinished_folder(folder) as unfinished:
        hidden = document(old["categories"], *draw(unfinished, TRAIN_SPLIT, num_scenes))
        val = document(old["categories"], *draw(unfinished, VAL_SPLIT, num_test_scenes))
        write_json(unfinished / "scenes.json", as_coco(hidden) | {"annotations": []})
        write_json(unfinished / "hidden.json", hidden)
        write_json(unfinished / "val.json", val)


def _draw(
    datasets: Path, folder: Path, split: SceneSplit, count: int, *, seed: int
) -> tuple[list[dict], list[dict]]:
    """Return the image entries and the annotations of scenes."""
    spec = read_world_spec(datasets)
    write = partial(
        write_scene,
        root=folder,
        split=split,
        seed=spec.seed,
        nouns=spec.nouns,
        scene_seed=seed,
    )
    numbers = range(1, count + 1)
    drawn = list(track(map(write, numbers), description=split.folder, total=count, unit="image"))
    return [image for image, _ in drawn], list(chain.from_iterable(rows for _, rows in drawn))


def label_scenes(datasets: Path, weights: Path) -> None:
    """Write what a detector finds in the fresh scenes as ``found.json``, in COCO's format.

    Annotations have masks, and ``score``. Categories are all classes that were looked for.

    Args:
        datasets: the datasets root, which holds the fresh scenes.
        weights: of the detector.
    """
    folder = datasets / FRESH_FOLDER
    scenes = json.loads((folder / "scenes.json").read_text(encoding="utf-8"))
    classes = read_world_spec(datasets).classes
    detector = Detector.from_config(
        *(CONFIGS / "Detic.yaml", weights, [shape_class.name for shape_class in classes]),
        device="cpu",
        score_threshold=LEAST_SCORE,
    )
    images = scenes["images"]
    found = detector((folder / image["file_name"] for image in images), stream=True)
    shown = track(found, description="labels", total=len(images), unit="image")
    ids = [shape_class.id for shape_class in classes]
    rows = [
        row
        for image, detections in zip(images, shown, strict=True)
        for row in detections.to_coco(image["id"], ids)
    ]
    categories = [{"id": shape_class.id, "name": shape_class.name} for shape_class in classes]
    labels = document(categories, images, rows)
    write_json(folder / "found.json", labels)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the experiment as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m detic.shapes.own_labels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=21, help="of fresh scenes and trainings")
    parser.add_argument("--output", type=Path, help="folder; default: output/own_labels/seed<SEED>")
    parser.add_argument(
        "--weights", type=Path, default=SHIPPED / "detic.pth", help="the detector to start from"
    )
    options = parser.parse_args(arguments)
    setup_logger(name="detic")
    output = options.output or Path("output") / "own_labels" / f"seed{options.seed}"
    cli.run(learn_from_own_labels, output.resolve(), options.seed, options.weights.resolve())


if __name__ == "__main__":
    main()
