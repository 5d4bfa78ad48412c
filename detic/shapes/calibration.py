"""Calibrate a detector that was taught classes of one's own, and measure what it shows.

    python -m detic.shapes.own_data
    python -m detic.shapes.calibration --weights output/own_data/OwnData/model_final.pth

Draws 100 scenes of each world that no training has seen, with boxes of the classes that have boxes:
68 old ones and 24 new ones. Fits a score threshold for each class on them (``detic vocabulary calibrate``). Then counts what
is shown in the test scenes of both worlds, with the common threshold and with those of the classes.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path

from detectron2.utils.logger import setup_logger
from tabulate import tabulate

from detic import cli
from detic.calibration.evidence import ClassEvidence, Evidence
from detic.calibration.held_out import add_annotated_images, read_annotated_images
from detic.calibration.thresholds import (
    Counts,
    expected_calibration_error,
    shown,
)
from detic.files import unfinished_folder, write_json, write_text
from detic.predictor import Detector
from detic.shapes.annotation import category
from detic.shapes.images import TRAIN_SPLIT, write_scene
from detic.shapes.own_data import BOXES, IMAGES, OLD, OWN_FOLDER, as_coco
from detic.shapes.runs import CONFIGS, TEXT_WEIGHTS, run_command
from detic.shapes.world_spec import WorldSpec, read_world_spec
from detic.vocabulary import Vocabulary, read_vocabulary_file

logger = logging.getLogger("detic.shapes.calibration")  # also when run with python -m

FOLDER = "held_out"  # below own_shapes
NUM_SCENES = 100
COMMON_THRESHOLD = 0.5
RECIPE = "OwnData.yaml"
TITLES = ("with the common threshold", "with a threshold for each class")
HEADERS = ("shown", "right", "wrong", "precision", "recall", "calibration error")


def write_held_out(datasets: Path, num_scenes: int = NUM_SCENES) -> Path:
    """Draw the scenes that follow the training scenes of both worlds; return their folder.

    Args:
        datasets: the datasets root, which holds the worlds.
        num_scenes: number of scenes of each world; their boxes are in ``boxes.json``.
    """
    folder = datasets / OWN_FOLDER / FOLDER
    if folder.exists():
        return folder
    worlds = [read_world_spec(root) for root in (datasets, datasets / OWN_FOLDER)]
    with unfinished_folder(folder) as root:
        drawn = [_drawn(world, root / str(n), num_scenes) for n, world in enumerate(worlds)]
        write_json(root / "boxes.json", as_coco(_joined(drawn)))
    return folder


def _drawn(world: WorldSpec, root: Path, num_scenes: int) -> dict:
    """Write scenes of a world; return their annotations of classes that have boxes."""
    first = world.train_images + 1
    draw = partial(write_scene, root=root, split=TRAIN_SPLIT, seed=world.seed, nouns=world.nouns)
    images, rows = zip(*map(draw, range(first, first + num_scenes)), strict=True)
    base_ids = {c.id for c in world.classes if not c.novel}
    return {
        "categories": list(map(category, world.classes)),
        "images": [{**i, "file_name": f"{root.name}/{i['file_name']}"} for i in images],
        "annotations": [a for of_scene in rows for a in of_scene if a["category_id"] in base_ids],
    }


def _joined(documents: Sequence[dict]) -> dict:
    """Return one annotation file for several, with ids that do not clash."""
    joined: dict[str, list[dict]] = {"categories": [], "images": [], "annotations": []}
    for own in documents:
        classes, images = (
            max((e["id"] for e in joined[s]), default=0) for s in ("categories", "images")
        )
        joined["categories"] += [{**c, "id": c["id"] + classes} for c in own["categories"]]
        joined["images"] += [{**i, "id": i["id"] + images} for i in own["images"]]
        joined["annotations"] += [
            {**a, "image_id": a["image_id"] + images, "category_id": a["category_id"] + classes}
            for a in own["annotations"]
        ]
    return joined


def calibrate(output: Path, datasets: Path, weights: Path) -> None:
    """Fit thresholds on held-out images, and write what they change in the test scenes.

    Args:
        output: folder for the vocabulary and the table.
        datasets: the datasets root, where ``detic.shapes.own_data`` has drawn its data.
        weights: of a detector that was trained by OwnData.yaml.
    """
    held_out = write_held_out(datasets)
    names = datasets / OWN_FOLDER / "vocabulary.txt"
    calibrated = output / "vocabulary.json"
    run_command(
        *("vocabulary", "calibrate", "--vocabulary", str(names)),
        *("--annotations", str(held_out / "boxes.json"), "--images", str(held_out)),
        *("--config-file", str(CONFIGS / RECIPE), "--device", "cpu"),
        *("--out_path", str(calibrated), "--overwrite", "--opts", "MODEL.WEIGHTS", str(weights)),
        datasets=datasets,
    )
    evidence = _in_test_scenes(datasets, weights, read_vocabulary_file(names))
    kinds = kinds_of_classes(datasets)
    tables = [
        table_by_kind(read_vocabulary_file(path), kinds, evidence) for path in (names, calibrated)
    ]
    summary = "\n\n".join(
        f"{title}\n\n{table}" for title, table in zip(TITLES, tables, strict=True)
    )
    write_text(output / "README.md", summary + "\n")
    logger.info("done: %s\n\n%s", output, summary)


def _in_test_scenes(
    datasets: Path, weights: Path, vocabulary: Vocabulary
) -> Sequence[ClassEvidence]:
    """Return the judged detections of each class, as if all objects of the scenes were annotated.

    3 of 100 classes of a scene are not, and count as wrong where they are detected.
    """
    detector = Detector.from_config(
        CONFIGS / RECIPE, weights, vocabulary, device="cpu", text_weights=TEXT_WEIGHTS
    )
    evidence = Evidence(len(vocabulary))
    everything = range(len(vocabulary))
    for world in (datasets / "shapes", datasets / OWN_FOLDER / "shapes"):
        read = read_annotated_images(world / "annotations" / "val.json", world, vocabulary.names)
        images = [(path, replace(objects, exhaustive=everything)) for path, objects in read]
        add_annotated_images(evidence, detector, images)
    return evidence.classes


def kinds_of_classes(datasets: Path) -> dict[str, str]:
    """Return the kind of each class by name: old, new with boxes, new with images only."""
    kinds = {c.name: OLD for c in read_world_spec(datasets).classes}
    new = read_world_spec(datasets / OWN_FOLDER).classes
    return kinds | {c.name: IMAGES if c.novel else BOXES for c in new}


def table_by_kind(
    vocabulary: Vocabulary, kinds: Mapping[str, str], evidence: Sequence[ClassEvidence]
) -> str:
    """Return what each kind of class shows, as a markdown table.

    Args:
        vocabulary: says from which score on.
        kinds: by name.
        evidence: the judged detections of each class.
    """
    rows = []
    for kind in (OLD, BOXES, IMAGES):
        of_kind = [
            (entry, of_class)
            for entry, of_class in zip(vocabulary.entries, evidence, strict=True)
            if kinds[entry.name] == kind
        ]
        counts = reduce(Counts.__add__, (shown(*pair, COMMON_THRESHOLD) for pair in of_kind))
        scores = [score for _, of_class in of_kind for score in of_class.scores]
        is_right = [right for _, of_class in of_kind for right in of_class.is_right]
        error = expected_calibration_error(scores, is_right)
        percent = (100 * share for share in (counts.precision, counts.recall, error))
        rows.append((kind, counts.right, counts.wrong, *percent))
    return tabulate(rows, HEADERS, tablefmt="github", floatfmt=".1f")


def main(arguments: Sequence[str] | None = None) -> None:
    """Calibrate as the command line says."""
    parser = cli.argument_parser(__doc__, prog="python -m detic.shapes.calibration")
    parser.add_argument("--weights", type=Path, required=True, help="of the taught detector")
    parser.add_argument("--output", type=Path, default=Path("output/calibration"), help="folder")
    parser.add_argument("--datasets", type=Path, default=Path("datasets"), help="datasets root")
    options = parser.parse_args(arguments)
    setup_logger(name="detic")
    paths = (options.output, options.datasets, options.weights)
    cli.run(calibrate, *(path.resolve() for path in paths))


if __name__ == "__main__":
    main()
