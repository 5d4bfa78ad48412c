"""Train a recipe, or evaluate weights.

    %(prog)s --config-file configs/shapes/Detic.yaml --num-gpus 0
    %(prog)s --config-file configs/shapes/Detic.yaml --num-gpus 0 --resume
    %(prog)s --config-file configs/shapes/Detic.yaml --num-gpus 0 --eval-only \\
        MODEL.WEIGHTS models/shapes/detic.pth

`detic train --data EXPORT` makes a recipe for your own data first; `detic train --data --help` explains it.

Under torchrun, leave out --num-gpus, --num-machines, --machine-rank and --dist-url.
"""

import argparse

from detic_commands.parsing import Overrides, add_imports, command_parser, count, positive_int


def argument_parser(prog: str = "detic train") -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        prog: how the program is called.
    """
    parser = command_parser(prog, __doc__)
    add_recipe(parser)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue from the last checkpoint in OUTPUT_DIR, if there is one; evaluate it with "
        "--eval-only",
    )
    parser.add_argument(
        "--eval-only", action="store_true", help="evaluate MODEL.WEIGHTS, do not train"
    )
    add_evaluation(parser)
    add_processes(parser)
    add_overrides(parser)
    return parser


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add the recipe, and what it may need."""
    parser.add_argument(
        "--config-file",
        required=True,
        metavar="FILE",
        help="recipe: YAML, or a Python file of Detectron2's LazyConfig, which is run",
    )
    add_imports(parser)


def add_evaluation(parser: argparse.ArgumentParser) -> None:
    """Add what evaluations may be asked for."""
    parser.add_argument(
        "--resume-eval",
        action="store_true",
        help="skip the images that an interrupted evaluation has finished",
    )
    parser.add_argument(
        "--allow-partial",
        action="store_true",
        help="run although MODEL.WEIGHTS lacks parts of the detector",
    )


def add_processes(parser: argparse.ArgumentParser) -> None:
    """Add on how many processes and machines to run."""
    parser.add_argument(
        "--num-gpus", type=count, default=1, help="processes per machine; 0: one on the CPU"
    )
    parser.add_argument("--num-machines", type=positive_int, default=1, help="machines of the job")
    parser.add_argument("--machine-rank", type=count, default=0, help="this machine's, from 0")
    parser.add_argument(
        "--dist-url", default="auto", help="where machine 0 listens: tcp://HOST:PORT"
    )


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add keys and values to the end of the line."""
    parser.add_argument(
        "opts",
        nargs=argparse.REMAINDER,
        action=Overrides,
        metavar="KEY VALUE",
        help="configuration keys and values that override the recipe's, last; KEY=VALUE for Python "
        "files",
    )


def main(arguments: argparse.Namespace) -> None:
    """Run the program."""
    from detic.extensions import request_imports
    from detic.lazy.recipe import is_python_recipe

    request_imports(arguments.imports)
    if is_python_recipe(arguments.config_file):
        from detic.lazy.run import run_from_command_line as run_python_recipe

        run_python_recipe(arguments)
        return
    from detic.engine.run import run_from_command_line

    run_from_command_line(arguments)
