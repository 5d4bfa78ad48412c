"""Evaluate weights on the test sets of a recipe.

    %(prog)s --config-file configs/shapes/Detic.yaml --num-gpus 0 \\
        MODEL.WEIGHTS models/shapes/detic.pth
    %(prog)s --config-file configs/shapes/Detic.yaml --num-gpus 0 --resume

Without a model, a file of detections is scored, and two evaluations are compared class by class:

    %(prog)s --predictions results.json --dataset lvis_v1_val
    %(prog)s --before output/before --after output/OwnData --new my_names.txt

`%(prog)s --predictions --help` and `%(prog)s --before --help` explain these.
"""

import argparse

from detic_commands.parsing import command_parser
from detic_commands.train import (
    add_evaluation,
    add_overrides,
    add_processes,
    add_recipe,
    main,
)

__all__ = ["argument_parser", "main"]


def argument_parser(prog: str = "detic evaluate") -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        prog: how the program is called.
    """
    parser = command_parser(prog, __doc__)
    add_recipe(parser)
    parser.add_argument(
        "--resume", action="store_true", help="evaluate the last checkpoint in OUTPUT_DIR"
    )
    add_evaluation(parser)
    add_processes(parser)
    add_overrides(parser)
    parser.set_defaults(eval_only=True)
    return parser
