"""The paper's claim in minutes: image labels lift the detection of classes without boxes.

    python -m detic.shapes.quickstart

Detects in a first image with the shipped weights, then continues the shipped box-supervised
detector twice, on boxes alone and with image labels, and compares both.
"""

import json
import logging
from pathlib import Path

import cv2
import numpy as np

from detic.files import write_text
from detic.images import read_image
from detic.paths import resource
from detic.predictor import Detector
from detic.rendering import DrawStyle, draw
from detic.shapes.preparation import prepare_world
from detic.shapes.runs import (
    COMPARISON,
    CONFIGS,
    SHIPPED,
    TEXT_WEIGHTS,
    comparison_table,
    read_metrics,
    run_command,
    train,
)
from detic.shapes.world_spec import FOLDER
from detic_commands import quickstart as front
from detic_commands.running import run

logger = logging.getLogger("detic.shapes.quickstart")  # also when run with python -m

SEED = 0  # of the world that the shipped weights were trained in
FIRST_IMAGE = resource("docs/pictures/scene.png")
FIRST_VOCABULARY = "green gear,yelow mug,blue boat,red star,purple umbrella,yellow key"
NUM_COMPARED = 6  # images
SCORE_THRESHOLD = 0.3
STYLE = DrawStyle(upscale=4)


def quickstart(output: Path, datasets: Path) -> None:
    """Run the whole comparison; what is finished already is kept."""
    output.mkdir(parents=True, exist_ok=True)
    logger.info("1/4 a first image, searched for names typed in, one of them misspelt")
    run_command("detect", *first_image_arguments(output / "first_image.png"))
    logger.info("look at %s", output / "first_image.png")
    logger.info("2/4 the world: images, boxes and image labels")
    prepare_world(datasets, SEED, TEXT_WEIGHTS)
    logger.info("3/4 two trainings from one box-supervised detector")
    for recipe in COMPARISON:
        train(recipe, output / recipe, datasets, {"MODEL.WEIGHTS": SHIPPED / "boxsup.pth"})
    logger.info("4/4 images and numbers of both")
    compare_images(output, datasets)
    metrics = {recipe: read_metrics(output / recipe) for recipe in COMPARISON}
    write_text(output / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    summary = _summary(comparison_table(metrics), output)
    write_text(output / "README.md", summary)
    logger.info("done: %s\n\n%s", output, summary)


def first_image_arguments(output: Path) -> list[str]:
    """Return the arguments of ``detic detect`` for the image that comes with the project."""
    return [
        *("--config-file", str(CONFIGS / "Detic.yaml"), "--input", str(FIRST_IMAGE)),
        *("--output", str(output), "--overwrite", "--upscale", str(STYLE.upscale)),
        *("--vocabulary", "custom", "--custom-vocabulary", FIRST_VOCABULARY),
        *("--confidence-threshold", str(SCORE_THRESHOLD)),
        *("--opts", "MODEL.WEIGHTS", str(SHIPPED / "detic.pth")),
    ]


def compare_images(output: Path, datasets: Path) -> None:
    """Write validation images as both trainings see them, side by side."""
    world = datasets / FOLDER
    validation = json.loads((world / "annotations" / "val.json").read_text())
    names = [category["name"] for category in validation["categories"]]
    detectors = [
        Detector.from_config(
            CONFIGS / f"{recipe}.yaml",
            output / recipe / "model_final.pth",
            names,
            device="cpu",
            score_threshold=SCORE_THRESHOLD,
        )
        for recipe in COMPARISON
    ]
    for file_name in _images_of_novel_objects(validation)[:NUM_COMPARED]:
        image = read_image(world / file_name, "BGR")
        found = [detector(image) for detector in detectors]
        style = STYLE.with_colors_of({name for of_one in found for name in of_one.names.tolist()})
        seen = [draw(image, of_one, style) for of_one in found]
        titled = [_titled(x, title) for x, title in zip(seen, COMPARISON.values(), strict=True)]
        cv2.imwrite(str(output / f"compared_{Path(file_name).stem}.png"), np.hstack(titled))


def _images_of_novel_objects(validation: dict) -> list[str]:
    """Return the file names of images, most objects of novel classes first."""
    novel = {c["id"] for c in validation["categories"] if c["frequency"] == "r"}
    counts = dict.fromkeys((image["id"] for image in validation["images"]), 0)
    for annotation in validation["annotations"]:
        counts[annotation["image_id"]] += annotation["category_id"] in novel
    ranked = sorted(validation["images"], key=lambda image: -counts[image["id"]])
    return [image["file_name"] for image in ranked]


def _titled(image: np.ndarray, title: str) -> np.ndarray:
    """Return an image (H, W, 3) under a line of text, with a margin at its right."""
    strip = np.full((36, image.shape[1], 3), 255, np.uint8)
    cv2.putText(strip, title, (8, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (40, 40, 40), 1, cv2.LINE_AA)
    return cv2.copyMakeBorder(
        np.vstack([strip, image]), 0, 0, 0, 8, cv2.BORDER_CONSTANT, value=(255, 255, 255)
    )


def _summary(table: str, output: Path) -> str:
    """Return the closing text: the table, what it means, how to go on."""
    return f"""\
# Image labels find classes that have no boxes

```
{table}
```

APr is the AP of the 28 novel classes, which have image labels but no boxes; c and f are base classes.
Both trainings start from the same detector and see as many batches. The tiny CLIP that embeds the
class names has seen captioned crops of all nouns, novel ones included, never a box.

Images as both see them: compared_*.png. Metrics: metrics.json, and inference_shapes_val/report.html in
the folder of each training.

To go on, in the same environment (in a checkout, after `. .venv/bin/activate`):

    detic detect {" ".join(map(_quoted, first_image_arguments(Path("out.png"))))}
    detic evaluate --config-file configs/shapes/Detic.yaml --num-gpus 0 \\
        MODEL.WEIGHTS {_short(output / "Detic" / "model_final.pth")}
    python -m detic.shapes.benchmark --seed 1
"""


def _quoted(argument: str) -> str:
    argument = _short(Path(argument)) if Path(argument).is_absolute() else argument
    return f'"{argument}"' if " " in argument else argument


def _short(path: Path) -> str:
    """Return a path relative to the working directory, where it lies in it."""
    path = path.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def main() -> None:
    parser = front.argument_parser("python -m detic.shapes.quickstart")
    run(front.main, parser.parse_args())


if __name__ == "__main__":
    main()
