"""The paper's claim in minutes: image labels lift the detection of classes without boxes.

    %(prog)s

Detects in a first image with the shipped weights, then continues the shipped box-supervised
detector twice, on boxes alone and with image labels, and compares both.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from detic_commands.parsing import command_parser


def argument_parser(prog: str = "detic quickstart") -> ArgumentParser:
    """Return the parser of the command line.

    Args:
        prog: how the program is called.
    """
    parser = command_parser(prog, __doc__)
    parser.add_argument("--output", type=Path, default=Path("output/quickstart"), help="folder")
    parser.add_argument("--datasets", type=Path, default=Path("datasets"), help="datasets root")
    return parser


def main(arguments: Namespace) -> None:
    """Run the program."""
    from detectron2.utils.logger import setup_logger

    from detic.shapes.quickstart import quickstart

    setup_logger(name="detic")
    quickstart(arguments.output.resolve(), arguments.datasets.resolve())
