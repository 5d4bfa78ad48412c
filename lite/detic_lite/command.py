"""Detect the objects of any vocabulary in images, with an exported detector and without torch.

    %(prog)s m.onnx --input a.jpg --custom-vocabulary "red star,blue boat" --json -
    %(prog)s m.xml --input *.jpg --vocabulary-file things.safetensors --json found.json

The result is the JSON document of `detic detect --json`. Class names need the text encoder beside the
model, which `detic export --text-encoder` writes; embeddings in a .safetensors file do not.
"""

import argparse
import os
import sys
from pathlib import Path

from detic_lite.detector import LiteDetector
from detic_lite.errors import InputError
from detic_lite.version import VERSION

_USER_ERROR = 2


def argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "detic-lite", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"detic-lite {VERSION}")
    parser.add_argument("model", metavar="MODEL", help="an .onnx or .xml file of `detic export`")
    parser.add_argument("--input", nargs="+", required=True, metavar="FILE", help="images")
    vocabulary = parser.add_mutually_exclusive_group(required=True)
    vocabulary.add_argument(
        "--custom-vocabulary", metavar="NAMES", help="class names separated by commas"
    )
    vocabulary.add_argument(
        "--vocabulary-file", metavar="FILE", help="class names (.txt) or embeddings (.safetensors)"
    )
    parser.add_argument(
        "--json", default="-", metavar="FILE", help="where the result goes; - is standard output"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a result that exists")
    parser.add_argument("--no-masks", action="store_true", help="boxes alone")
    parser.add_argument(
        "--confidence-threshold",
        type=float,
        metavar="SCORE",
        help="that detections have to exceed, 0 to 1; by default the file's own",
    )
    return parser


def main() -> None:
    """Run the program; a mistake of the user ends in one message and status 2."""
    arguments = argument_parser().parse_args()
    try:
        _detect(arguments)
    except (InputError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(_USER_ERROR)
    except KeyboardInterrupt:
        sys.exit(130)


def _detect(arguments: argparse.Namespace) -> None:
    target = None if arguments.json == "-" else Path(arguments.json)
    if target is not None and target.exists() and not arguments.overwrite:
        raise InputError(f"{target} exists; --overwrite replaces it")
    detector = LiteDetector(
        arguments.model,
        arguments.vocabulary_file or arguments.custom_vocabulary.split(","),
        score_threshold=arguments.confidence_threshold,
    )
    entries = [
        detector(image, masks=not arguments.no_masks).to_json(image_id)
        for image_id, image in enumerate(arguments.input, start=1)
    ]
    document = "[\n" + ",\n".join(entries) + "\n]\n"
    if target is None:
        sys.stdout.write(document)
    else:
        _write(target, document)


def _write(path: Path, text: str) -> None:
    """Write a file that appears under its name when it is complete."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
