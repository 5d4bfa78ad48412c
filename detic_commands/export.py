"""Export a detector to one file that other programs run, whatever the vocabulary.

    %(prog)s --model shapes-detic --format onnx --output shapes.onnx
    %(prog)s --config-file configs/Detic_LI_CLIP_R5021k_640b64_4x_ft4x_max-size.yaml \\
        --format openvino --output detic.xml --opts MODEL.WEIGHTS models/my_weights.pth

The embeddings of the class names and their score thresholds are inputs of the file. docs/export.md
tells what the inputs and outputs are. The file appears when it has found in two images what the
detector finds.
"""

import argparse
import logging
from pathlib import Path

from detic_commands.detect import MAIN_RECIPE
from detic_commands.parsing import (
    DefaultsHelpFormatter,
    add_imports,
    add_opts,
    add_overwrite,
    command_parser,
    positive_int,
)

FORMATS = ("onnx", "openvino", "pt2")  # keys of detic.export.formats.FORMATS


def argument_parser(prog: str = "detic export") -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        prog: how the program is called.
    """
    parser = command_parser(prog, __doc__, DefaultsHelpFormatter)
    _add_detector(parser)
    _add_file(parser)
    _add_program(parser)
    add_overwrite(parser)
    add_opts(parser)
    return parser


def _add_detector(parser: argparse.ArgumentParser) -> None:
    detector = parser.add_mutually_exclusive_group()
    detector.add_argument(
        "--model",
        metavar="NAME",
        help="a detector with its weights, as `detic detect` takes it: detic-r50, shapes-detic, the "
        "folder of a saved one, hf://organisation/name",
    )
    detector.add_argument(
        "--config-file", default=MAIN_RECIPE, metavar="FILE", help="recipe of the detector"
    )
    add_imports(parser)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=FORMATS, default="onnx", help="of the file")
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="an .onnx or .pt2 file; of openvino an .xml file, whose weights are in a .bin file beside it",
    )
    parser.add_argument(
        "--text-encoder",
        action="store_true",
        help="also write the text encoder beside the file, as .text.onnx and .text.json, with which "
        "detic_lite embeds class names",
    )


def _add_program(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--all-classes",
        action="store_true",
        help="an object may have several classes, not the likeliest alone",
    )
    parser.add_argument("--no-masks", action="store_true", help="boxes alone, which is faster")
    parser.add_argument(
        "--int8",
        type=Path,
        metavar="FOLDER",
        help="convolutions with integers of 8 bits, which is faster and not exact: images of the kind to "
        "come, some dozens, which they are fitted to; onnx and openvino",
    )
    parser.add_argument(
        "--size",
        type=positive_int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="of all images, in pixels, which Swin Transformers need; others take images of any size",
    )
    parser.add_argument(
        "--confidence-threshold",
        type=float,
        default=0.5,
        metavar="SCORE",
        help="lowest score reported where none is named later, 0 to 1",
    )


def main(arguments: argparse.Namespace) -> None:
    from detic.export.command import run_export
    from detic.extensions import request_imports

    logging.basicConfig(format="%(message)s")
    logging.getLogger("detic.export").setLevel(logging.INFO)
    request_imports(arguments.imports)
    print(run_export(arguments))
