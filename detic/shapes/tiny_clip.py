"""Train the tiny CLIP of the embedded benchmark.

    python -m detic.shapes.tiny_clip --root datasets --seed 0 --output models/shapes

writes these files in two to three minutes on one core. On a busy machine set OMP_NUM_THREADS to the
number of free cores; more threads slow it down.

    models/shapes/clip_text.safetensors   the text encoder, names as in OpenAI's CLIP, half precision
    models/shapes/clip_backbone.pth       the image tower's trunk, named as in a detector
    models/shapes/clip_report.json        how often fresh crops retrieve the name of their class

It learns from captioned crops of all nouns, including those that are novel to the detector. It
never sees a box or an image of the world. It stands in for pre-training on the web.
"""

import argparse
import json
import logging
import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from detic import cli
from detic.files import unfinished_path, write_bytes, write_text
from detic.progress import track
from detic.shapes.captions import draw_caption
from detic.shapes.classes import ShapeClass, every_class
from detic.shapes.clip_model import TinyCLIP, contrastive_loss, standardized
from detic.shapes.crops import CroppableObjects, cut_crops, draw_objects
from detic.shapes.retrieval import measure_retrieval
from detic.shapes.streams import Stream, generator
from detic.shapes.world_spec import read_world_spec
from detic.vocabulary.text_encoder import load_text_encoder

logger = logging.getLogger("detic.shapes.tiny_clip")  # also when run with python -m

TEXT_FILE, BACKBONE_FILE, REPORT_FILE = (
    "clip_text.safetensors",
    "clip_backbone.pth",
    "clip_report.json",
)
DETECTOR_PREFIX = "backbone.bottom_up.base."


@dataclass(frozen=True)
class Recipe:
    """How the tiny CLIP is trained and measured."""

    train_scenes: int = 1500  # scenes that crops to learn from are cut from
    test_scenes: int = 400  # scenes that crops to measure with are cut from
    iterations: int = 500  # optimiser steps
    batch_size: int = 128  # crops of one step, no two of one class
    learning_rate: float = 2e-3  # highest learning rate; it falls along a cosine to zero
    weight_decay: float = 0.05  # AdamW's decay
    warmup: int = 30  # iterations in which the learning rate rises

    def rate_at(self, iteration: int) -> float:
        """Return the learning rate of an iteration, from 0, relative to the highest."""
        rising = min(1.0, (iteration + 1) / self.warmup)
        return rising * (0.5 + 0.5 * math.cos(math.pi * iteration / self.iterations))


def train_tiny_clip(recipe: Recipe, seed: int, progress: bool = True) -> TinyCLIP:
    """Return a tiny CLIP that knows every noun in every look.

    Args:
        recipe: how to train it.
        seed: decides the crops, captions and initial weights.
        progress: whether to show a progress bar.
    """
    classes = every_class()
    logger.info("drawing %d scenes to cut crops from", recipe.train_scenes)
    objects = draw_objects(classes, recipe.train_scenes, seed, Stream.CAPTION_SCENES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        clip = TinyCLIP().train()
        optimizer = torch.optim.AdamW(
            clip.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, recipe.rate_at)
        bar = track(range(recipe.iterations), "tiny CLIP", unit="it", show=progress)
        for iteration in bar:
            rng = generator(seed, Stream.CAPTIONS, iteration)
            loss = contrastive_loss(clip(*draw_batch(objects, classes, recipe.batch_size, rng)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.set_postfix_str(f"loss {loss.item():.2f}")
    return clip


def draw_batch(
    objects: CroppableObjects,
    classes: Sequence[ShapeClass],
    size: int,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, list[str]]:
    """Return crops and their captions, at most ``size``, each of another class."""
    present = np.unique(objects.class_index)
    of_classes = rng.permutation(present)[:size]
    chosen = [rng.choice(np.flatnonzero(objects.class_index == place)) for place in of_classes]
    captions = [draw_caption(classes[place].look, classes[place].noun, rng) for place in of_classes]
    return standardized(cut_crops(objects, chosen, rng)), captions


def write_tiny_clip(clip: TinyCLIP, folder: Path) -> None:
    """Write the text encoder, in half precision, and the trunk of the image tower."""
    text = {
        name: tensor.half().contiguous() for name, tensor in clip.text_encoder.state_dict().items()
    }
    trunk = {
        DETECTOR_PREFIX + name: tensor
        for name, tensor in clip.image_tower.trunk.state_dict().items()
        if not name.endswith("num_batches_tracked")  # frozen normalisation has no such counter
    }
    write_bytes(folder / TEXT_FILE, save(text))
    with unfinished_path(folder / BACKBONE_FILE) as path:
        torch.save({"model": trunk}, path)


def make_tiny_clip(
    root: str | os.PathLike,
    output: str | os.PathLike,
    seed: int,
    recipe: Recipe | None = None,
    progress: bool = True,
) -> dict:
    """Train the tiny CLIP, write its files and return the report written beside them.

    Args:
        root: datasets root with a world, whose classes the report is about.
        output: folder to write into.
        seed: decides crops, captions and initial weights.
        recipe: how to train, by default as the benchmark does.
        progress: whether to show a progress bar.

    Raises:
        InputError: there is no world below the root.
    """
    recipe = recipe or Recipe()
    classes = read_world_spec(root).classes
    start = time.perf_counter()
    clip = train_tiny_clip(recipe, seed, progress)
    seconds = time.perf_counter() - start
    folder = Path(output)
    write_tiny_clip(clip, folder)
    text_encoder = load_text_encoder(folder / TEXT_FILE)  # as rounded in the file
    retrieval = measure_retrieval(clip.image_tower, text_encoder, classes, recipe.test_scenes, seed)
    report = {
        "classes": len(classes),
        "retrieval": {name: round(share, 4) for name, share in retrieval.items()},
        "recipe": asdict(recipe),
        "seed": seed,
        "training_seconds": round(seconds),
    }
    write_text(folder / REPORT_FILE, json.dumps(report, indent=2) + "\n")
    return report


def _parser() -> argparse.ArgumentParser:
    parser = cli.argument_parser(__doc__, prog="python -m detic.shapes.tiny_clip")
    parser.add_argument("--root", default="datasets", help="datasets root with a shapes world")
    parser.add_argument("--output", default="models/shapes", help="folder to write into")
    parser.add_argument("--seed", type=int, default=0, help="decides everything (default: 0)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and write the tiny CLIP as the command line says."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cli.run(_run, options)


def _run(options: argparse.Namespace) -> None:
    report = make_tiny_clip(**vars(options))
    logger.info("retrieval among %d classes, %% of fresh crops:", report["classes"])
    for name, share in report["retrieval"].items():
        logger.info("  %-9s %5.1f", name, 100 * share)
    logger.info("wrote %s, %s and %s to %s", TEXT_FILE, BACKBONE_FILE, REPORT_FILE, options.output)


if __name__ == "__main__":
    main()
