"""The pictures and videos that a command line names."""

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from detic.errors import InputError

PICTURE_SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
VIDEO_SUFFIXES = frozenset((".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"))
_STDIN = "-"
_PATTERN_CHARACTERS = frozenset("*?[")


@dataclass(frozen=True)
class InputFile:
    """A picture or a video; whether it can be read shows when it is."""

    path: Path  # as the user named it
    name: Path  # below the folder that all inputs share: what its results are called

    @property
    def is_video(self) -> bool:
        return self.path.suffix.lower() in VIDEO_SUFFIXES


def find_inputs(arguments: Sequence[str], *, recursive: bool = False) -> list[InputFile]:
    """Return the files that the arguments name, each once and in order.

    Args:
        arguments: files, folders, patterns such as ``*.jpg``, or ``-`` for paths on standard
            input, one a line.
        recursive: look into the folders of folders as well.

    Raises:
        InputError: they name no file.
    """
    roots: list[str] = []  # absolute folders
    paths: dict[str, Path] = {}  # by absolute path
    for argument in _with_stdin(arguments):
        for found, root in _expand(Path(argument).expanduser(), recursive):
            paths.setdefault(os.path.abspath(found), found)
            roots.append(os.path.abspath(root))
    if not paths:
        hint = "" if recursive else "; --recursive looks into folders of folders"
        raise InputError(f"no pictures or videos in {', '.join(arguments)}{hint}")
    shared = os.path.commonpath(roots)
    return [
        InputFile(path, Path(os.path.relpath(absolute, shared))) for absolute, path in paths.items()
    ]


def image_ids(files: Sequence[InputFile]) -> list[int]:
    """Return an id for each picture: the number it is called by if all are, else its place from 1.

    COCO calls its pictures by their ids.
    """
    stems = [file.name.stem for file in files]
    if all(stem.isdecimal() for stem in stems):
        numbers = [int(stem) for stem in stems]
        if len(set(numbers)) == len(numbers):
            return numbers
    return list(range(1, len(files) + 1))


def _with_stdin(arguments: Sequence[str]) -> Iterator[str]:
    for argument in arguments:
        if argument == _STDIN:
            yield from (line.strip() for line in sys.stdin if line.strip())
        else:
            yield argument


def _expand(path: Path, recursive: bool) -> Iterator[tuple[Path, Path]]:
    """Yield the files of a path or pattern, each with the folder it was looked for in."""
    if path.is_dir():
        yield from ((file, path) for file in _files_of(path, recursive))
    elif _PATTERN_CHARACTERS & set(str(path)) and not path.exists():
        matches = sorted(glob.glob(str(path), recursive=True))
        yield from ((Path(file), Path(file).parent) for file in matches if os.path.isfile(file))
    else:
        yield path, path.parent


def _files_of(folder: Path, recursive: bool) -> list[Path]:
    known = PICTURE_SUFFIXES | VIDEO_SUFFIXES
    entries = folder.rglob("*") if recursive else folder.iterdir()
    return sorted(path for path in entries if path.suffix.lower() in known and path.is_file())
