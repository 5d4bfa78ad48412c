"""Teach a detector's box heads what the tiny CLIP knows, before they see a box.

    python -m detic.shapes.clip_heads --output output/clip_heads.pth
    python train_net.py --config-file configs/shapes/BoxSup.yaml --num-gpus 0 \\
        MODEL.WEIGHTS output/clip_heads.pth MODEL.ALLOW_PARTIAL_WEIGHTS True \\
        MODEL.ROI_BOX_HEAD.USE_BIAS -4.6

Backbone, FPN and box heads together become an image tower beside the text encoder, which stays as it
is. They learn from captioned crops of all nouns, as the tiny CLIP did. It takes two minutes on one core.
This is an experiment beside the benchmark (docs/benchmark.md); the shipped weights have no part in it.

Shapes: B crops of a batch, S side of the canvas in pixels, D embedding width.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from detectron2.structures import Boxes
from torch import Tensor, nn
from torch.nn import functional as F

from detic import cli
from detic.checkpoint.load import Purpose, load_weights
from detic.config import with_values
from detic.modeling.build import WITHOUT_TRAINING, build_detector
from detic.progress import track
from detic.recipes import load_recipe
from detic.shapes.classes import every_class
from detic.shapes.clip_model import contrastive_loss
from detic.shapes.crops import PLAIN_CONTEXT, draw_objects
from detic.shapes.runs import CONFIGS, SHIPPED, TEXT_WEIGHTS
from detic.shapes.streams import Stream, generator
from detic.shapes.tiny_clip import BACKBONE_FILE, Recipe, draw_batch
from detic.vocabulary.model_classes import KEY, SET_LATER
from detic.vocabulary.text_encoder import load_text_encoder
from detic.weight_files import write_checkpoint

logger = logging.getLogger("detic.shapes.clip_heads")  # also when run with python -m

RECIPE = Recipe(iterations=300, batch_size=96)
SCALE = 1 / 0.07  # of cosines
CANVAS_PX = 64  # a multiple of the coarsest stride
SIDES_PX = (24, 32, 40, 48, 64)  # of crops, as large as objects are in scenes
TAUGHT = ("backbone.", "box_head.", "cls_score.linear.")  # parts of their tensors' names


def train_clip_heads(model: Any, text_encoder: nn.Module, recipe: Recipe, seed: int) -> None:
    """Train backbone, FPN and box heads of a detector to find the captions of crops.

    Args:
        model: its box heads classify by text embeddings.
        text_encoder: is not changed.
        recipe: how to train.
        seed: decides crops and captions.
    """
    classes = every_class()
    objects = draw_objects(classes, recipe.train_scenes, seed, Stream.CAPTION_SCENES)
    taught = [p for name, p in model.named_parameters() if p.requires_grad and _is_taught(name)]
    optimizer = torch.optim.AdamW(taught, recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, recipe.rate_at)
    for iteration in track(range(recipe.iterations), "heads near CLIP", unit="it"):
        rng = generator(seed, Stream.CAPTIONS, iteration)
        crops, captions = draw_batch(objects, classes, recipe.batch_size, rng)
        with torch.no_grad():
            texts = F.normalize(text_encoder(captions), dim=1)
        stages = embed_crops(model, crops, int(rng.choice(SIDES_PX)))
        losses = [contrastive_loss(SCALE * images @ texts.T) for images in stages]
        optimizer.zero_grad()
        (sum(losses, torch.zeros(())) / len(losses)).backward()
        optimizer.step()
        schedule.step()


def embed_crops(model: Any, crops: Tensor, side_px: int) -> list[Tensor]:
    """Return the embeddings (B, D) of crops by each stage of the box heads, of unit length.

    Args:
        model: the detector.
        crops: (B, 3, 48, 48), standardised, with their object in the middle.
        side_px: what they are scaled to, up to the canvas's.
    """
    scaled = F.interpolate(crops, (side_px, side_px), mode="bilinear", antialias=True)
    canvas = F.pad(scaled, (0, CANVAS_PX - side_px) * 2)  # (B, 3, S, S)
    heads = model.roi_heads
    features = model.backbone(canvas)
    margin_px = side_px * (1 - 1 / PLAIN_CONTEXT) / 2
    box = Boxes(torch.tensor([[margin_px] * 2 + [side_px - margin_px] * 2]))
    pooled = heads.box_pooler(
        [features[name] for name in heads.box_in_features], [box] * len(crops)
    )
    return [
        F.normalize(predictor.cls_score.linear(head(pooled)), dim=1)
        for head, predictor in zip(heads.box_head, heads.box_predictor, strict=True)
    ]


def make_clip_heads(output: Path, seed: int, recipe: Recipe = RECIPE) -> None:
    """Write the weights that a training on boxes can start from.

    Args:
        output: file of weights (.pth).
        seed: decides crops, captions and the heads' first weights.
        recipe: how to train.
    """
    torch.manual_seed(seed)
    cfg = with_values(load_recipe(CONFIGS / "BoxSup.yaml"), {**WITHOUT_TRAINING, KEY: SET_LATER})
    model = build_detector(cfg)
    load_weights(model, SHIPPED / BACKBONE_FILE, purpose=Purpose.TRAIN)
    train_clip_heads(model.train(), load_text_encoder(TEXT_WEIGHTS).eval(), recipe, seed)
    tensors = {name: t for name, t in model.state_dict().items() if _is_taught(name)}
    write_checkpoint(output, {"model": tensors})


def _is_taught(name: str) -> bool:
    return any(part in name for part in TAUGHT)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and write the heads as the command line says."""
    parser = cli.argument_parser(__doc__, prog="python -m detic.shapes.clip_heads")
    parser.add_argument("--output", type=Path, required=True, help="file to write (.pth)")
    parser.add_argument("--seed", type=int, default=0, help="decides everything (default: 0)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cli.run(_run, options)


def _run(options: argparse.Namespace) -> None:
    make_clip_heads(options.output, options.seed)
    logger.info("wrote %s", options.output)


if __name__ == "__main__":
    main()
