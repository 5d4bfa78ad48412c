"""The embedded benchmark from scratch: world, tiny CLIP, box supervision, image labels.

    python -m detic.shapes.benchmark --seed 1
    python -m detic.shapes.benchmark --seed 0 --start random --ship models/shapes

The box heads start near the tiny CLIP, so that boxes alone find some of the classes that have none, as
on LVIS. Those of the shipped weights start from random numbers and see boxes five times as long.
"""

import argparse
import json
import logging
import shutil
from pathlib import Path

import torch
from detectron2.utils.logger import setup_logger

from detic import cli
from detic.errors import InputError
from detic.files import write_text
from detic.shapes.clip_heads import make_clip_heads
from detic.shapes.preparation import draw_world, embed_classes
from detic.shapes.runs import COMPARISON, comparison_table, read_metrics, train
from detic.shapes.tiny_clip import BACKBONE_FILE, TEXT_FILE, make_tiny_clip
from detic.weight_files import read_weights, write_checkpoint

logger = logging.getLogger("detic.shapes.benchmark")  # also when run with python -m

STAGE_1 = "BoxSup"
NEAR_CLIP, RANDOM = STARTS = ("clip", "random")  # of the box heads
# Longer trainings on boxes forget the nouns that have none
_STEPS_NEAR_CLIP = 400
_BIAS_NEAR_CLIP = -4.6  # of all classes: their probability is 0.01 at first


def run_benchmark(seed: int, output: Path, start: str = NEAR_CLIP) -> dict[str, dict[str, float]]:
    """Return the metrics (percent, masks) of stage 1 and of both ways to go on, by recipe.

    What an interrupted run has finished is kept.

    Args:
        seed: decides everything.
        output: folder.
        start: of the box heads, one of STARTS.
    """
    clip, datasets = output / "clip", output / "datasets"
    text_weights = clip / TEXT_FILE
    draw_world(datasets, seed)
    if not text_weights.is_file():
        make_tiny_clip(datasets, clip, seed)
    embed_classes(datasets, text_weights)
    common: dict[str, object] = {"SEED": seed, "MODEL.TEXT_ENCODER.WEIGHTS": text_weights}
    first: dict[str, object] = {"MODEL.WEIGHTS": clip / BACKBONE_FILE}
    if start == NEAR_CLIP:
        heads = output / "clip_heads.pth"
        if not heads.is_file():
            make_clip_heads(heads, seed, clip)
        common["MODEL.ROI_BOX_HEAD.USE_BIAS"] = _BIAS_NEAR_CLIP
        first = {
            "MODEL.WEIGHTS": heads,
            "MODEL.ALLOW_PARTIAL_WEIGHTS": True,
            "SOLVER.MAX_ITER": _STEPS_NEAR_CLIP,
        }
    train(STAGE_1, output / STAGE_1, datasets, common | first)
    stage_1 = output / STAGE_1 / "model_final.pth"
    for recipe in COMPARISON:
        train(recipe, output / recipe, datasets, common | {"MODEL.WEIGHTS": stage_1})
    metrics = {recipe: read_metrics(output / recipe) for recipe in (STAGE_1, *COMPARISON)}
    write_text(output / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    return metrics


def ship(run: Path, folder: Path) -> None:
    """Write the weights of a finished benchmark, in half precision, as the repository ships them."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(run / "clip" / TEXT_FILE, folder)
    _write_in_half_precision(run / "clip" / BACKBONE_FILE, folder / BACKBONE_FILE)
    _write_in_half_precision(run / STAGE_1 / "model_final.pth", folder / "boxsup.pth")
    _write_in_half_precision(run / "Detic" / "model_final.pth", folder / "detic.pth")


def _write_in_half_precision(checkpoint: Path, path: Path) -> None:
    """Write the model of a training's checkpoint alone."""
    tensors = read_weights(checkpoint)
    halved = {
        name: tensor.half() if tensor.dtype == torch.float32 else tensor
        for name, tensor in tensors.items()
    }
    write_checkpoint(path, {"model": halved})


def main() -> None:
    parser = cli.argument_parser(__doc__, prog="python -m detic.shapes.benchmark")
    parser.add_argument("--seed", type=int, default=1, help="decides world, CLIP and trainings")
    parser.add_argument(
        "--start", choices=STARTS, default=NEAR_CLIP, help="of the box heads (default: clip)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="folder; default: output/benchmark-shapes/seed<SEED>, with --start random seed<SEED>-random",
    )
    parser.add_argument("--ship", type=Path, help="folder to export the weights to")
    arguments = parser.parse_args()
    setup_logger(name="detic")
    cli.run(_run, arguments)


def _run(arguments: argparse.Namespace) -> None:
    if arguments.ship and arguments.start != RANDOM:
        raise InputError(
            "the recipes of the shipped weights start at random; add --start random to --ship"
        )
    name = f"seed{arguments.seed}" + ("-random" if arguments.start == RANDOM else "")
    default = Path("output") / "benchmark-shapes" / name
    output = (arguments.output or default).resolve()
    metrics = run_benchmark(arguments.seed, output, arguments.start)
    logger.info("seed %d\n\n%s\n", arguments.seed, comparison_table(metrics))
    if arguments.ship:
        ship(output, arguments.ship)


if __name__ == "__main__":
    main()
