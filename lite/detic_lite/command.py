"""Detect the objects of any vocabulary in images, with an exported detector and without torch.

    %(prog)s m.onnx --input a.jpg --custom-vocabulary "red star,blue boat" --json -
    %(prog)s m.xml --input photos/ --vocabulary-file things.safetensors --output drawn/

The result is the JSON document of `detic detect --json`. Class names need the text encoder beside the
model, which `detic export --text-encoder` writes; embeddings in a .safetensors file do not. Images that
cannot be read are named and left out, and so are drawings that their format cannot hold; the status
is 1 then. What cannot be written otherwise ends the program with status 2.
"""

import argparse
import io
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from PIL import Image

from detic_lite.detector import LiteDetector, VocabularyLike
from detic_lite.drawing import draw, load_font
from detic_lite.errors import InputError, first_line
from detic_lite.images import load_image
from detic_lite.inputs import find_images, image_ids, plan_drawings
from detic_lite.version import VERSION

_LEFT_OUT = 1
_USER_ERROR = 2
_STDOUT = "-"
# JSON knows the codes that stand for bytes of file names which are no text.
_AS_UTF_8: dict[str, Any] = {"encoding": "utf-8", "errors": "backslashreplace"}
_NUM_NAMED = 10  # classes in a summary
_JPEG_QUALITY = 95


def argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "detic-lite", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"detic-lite {VERSION}")
    parser.add_argument("model", metavar="MODEL", help="an .onnx or .xml file of `detic export`")
    parser.add_argument(
        "--input",
        nargs="+",
        required=True,
        metavar="PATH",
        help="images, folders or quoted patterns",
    )
    parser.add_argument(
        "--recursive", action="store_true", help="look into folders of folders as well"
    )
    vocabulary = parser.add_mutually_exclusive_group(required=True)
    vocabulary.add_argument(
        "--custom-vocabulary", metavar="NAMES", help="class names separated by commas"
    )
    vocabulary.add_argument(
        "--vocabulary-file",
        metavar="FILE",
        help="class names (.txt, .json, .yaml) or embeddings (.safetensors)",
    )
    parser.add_argument(
        "--confidence-threshold",
        type=float,
        metavar="SCORE",
        help="that detections have to exceed, 0 to 1; by default the file's own",
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="where the result goes; - is standard output, and the default without --output",
    )
    parser.add_argument(
        "--output", metavar="PATH", help="drawings: a folder, or a file for one image"
    )
    parser.add_argument("--font", metavar="FILE", help="a .ttf font for drawings of other scripts")
    parser.add_argument("--overwrite", action="store_true", help="replace results that exist")
    parser.add_argument("--no-masks", action="store_true", help="boxes alone")
    return parser


def main() -> None:
    """Run the program; a mistake of the user ends in one message and status 2."""
    arguments = argument_parser().parse_args()
    warnings.simplefilter("ignore")  # of Pillow, on metadata that are damaged
    try:
        sys.exit(_detect(arguments))
    except BrokenPipeError:  # the reader of the result has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_LEFT_OUT)
    except (InputError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(_USER_ERROR)
    except KeyboardInterrupt:
        sys.exit(130)


def _detect(arguments: argparse.Namespace) -> int:
    """Detect in all images; return the exit status."""
    target = arguments.json or (_STDOUT if arguments.output is None else None)
    images = find_images(arguments.input, recursive=arguments.recursive)
    output = None if arguments.output is None else Path(arguments.output)
    drawings = plan_drawings(images, output, overwrite=arguments.overwrite)
    if target not in (None, _STDOUT):
        _check_place(Path(target), arguments.overwrite)
        given = [arguments.model, arguments.vocabulary_file or "", *images, *drawings.values()]
        if os.path.abspath(target) in set(map(os.path.abspath, given)):
            raise InputError(
                f"--json would replace {target}, which this call needs; name another file"
            )
    load_font(font_file=arguments.font)  # whether the file is a font shows here
    detector = LiteDetector(
        arguments.model, _vocabulary(arguments), score_threshold=arguments.confidence_threshold
    )
    unreadable = undrawn = 0
    objects: Counter[str] = Counter()
    with _json_list(target) as append:
        for image_id, path in zip(image_ids(images), images, strict=True):
            try:
                image = load_image(path)
            except InputError as error:
                sys.stderr.write(f"skipped: {error}\n")
                unreadable += 1
                continue
            found = detector(image, masks=not arguments.no_masks)
            objects += found.count()
            append(replace(found, file_name=path.as_posix()).to_json(image_id))
            if path in drawings:
                try:
                    _save(draw(image, found, arguments.font), drawings[path])
                except InputError as error:
                    sys.stderr.write(f"skipped: {error}\n")
                    undrawn += 1
    if target != _STDOUT:
        sys.stdout.write(_summary(objects, len(images) - unreadable) + "\n")
    return _LEFT_OUT if unreadable or undrawn else 0


def _check_place(path: Path, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent} for {path.name}; make it first")
    if path.is_dir() or (path.exists() and not overwrite):
        raise InputError(f"{path} exists; --overwrite replaces it, unless it is a folder")


def _vocabulary(arguments: argparse.Namespace) -> VocabularyLike:
    return arguments.vocabulary_file or arguments.custom_vocabulary.split(",")


def _summary(objects: Counter[str], num_images: int) -> str:
    """Return what was found in one line: ``3 objects in 2 images: 2 red star, 1 blue boat``."""
    counts = ", ".join(f"{count} {name}" for name, count in objects.most_common(_NUM_NAMED))
    total = objects.total()
    of_objects = "1 object" if total == 1 else f"{total} objects"
    of_images = "1 image" if num_images == 1 else f"{num_images} images"
    return f"{of_objects} in {of_images}{counts and f': {counts}'}"


@contextmanager
def _json_list(target: str | None) -> Iterator[Callable[[str], None]]:
    """Yield a function that adds an entry to the JSON list at ``target``; None: to nothing."""
    with _opened(target) as file:
        separator = "[\n"

        def append(entry: str) -> None:
            nonlocal separator
            file.write(separator + entry)
            separator = ",\n"

        yield append
        file.write("\n]\n" if separator == ",\n" else "[]\n")


@contextmanager
def _opened(target: str | None) -> Iterator[TextIO]:
    """Yield where a text goes; a file appears under its name when it is complete."""
    if target is None:
        yield io.StringIO()
    elif target == _STDOUT:
        with open(sys.stdout.fileno(), "w", closefd=False, **_AS_UTF_8) as file:
            yield file
    else:
        with _unfinished(Path(target)) as path, path.open("w", **_AS_UTF_8) as file:
            yield file


def _save(drawing: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _unfinished(path) as unfinished:
        try:
            drawing.save(unfinished, quality=_JPEG_QUALITY)
        except (OSError, ValueError) as error:
            if (
                getattr(error, "errno", None) is not None
            ):  # of the disk, which will not take the next
                raise
            raise InputError(f"cannot draw {path}: {first_line(error)}") from error


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """Yield the path of a file that appears as ``path`` when it is complete."""
    unfinished = path.with_name(f"{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
