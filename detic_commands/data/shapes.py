"""Draw a world: images, boxes, masks and image labels of the embedded benchmark.

    %(prog)s --root datasets --seed 0

A finished world of the same seed and sizes is kept.
"""

import logging
import os
from argparse import ArgumentParser, Namespace
from typing import Any

from detic_commands.parsing import command_parser, count, positive_int


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument("--root", help="datasets root (default: $DETECTRON2_DATASETS, or datasets)")
    parser.add_argument("--seed", type=count, default=0, help="decides everything (default: 0)")
    parser.add_argument(
        "--train-images", type=positive_int, default=1000, help="scenes to train on"
    )
    parser.add_argument(
        "--val-images", type=positive_int, default=200, help="scenes to evaluate on"
    )
    parser.add_argument(
        "--labels-per-class", type=positive_int, default=30, help="images of each class"
    )
    parser.add_argument(
        "--nouns",
        nargs="+",
        metavar="NOUN",
        help="what is drawn (default: the nouns of the benchmark); a noun that is none lists them",
    )
    parser.add_argument(
        "--workers",
        type=positive_int,
        default=os.cpu_count(),
        help="processes (default: all cores)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace another world")
    return parser


def main(arguments: Namespace) -> None:
    from detic.paths import datasets_root
    from detic.shapes.nouns import BENCHMARK_NOUNS
    from detic.shapes.world import generate_world

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    defaults: dict[str, Any] = {"root": datasets_root(), "nouns": BENCHMARK_NOUNS}
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    generate_world(**defaults | given)
