"""The images and videos that a command line names."""

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from detic.errors import InputError
from detic.images import IMAGE_SUFFIXES
from detic.outputs import ImageRecord

VIDEO_SUFFIXES = frozenset(
    (
        *(".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
        *(".ogv", ".ts", ".webm", ".wmv"),
    )
)
_STDIN = "-"
_PATTERN_CHARACTERS = frozenset("*?[")


@dataclass(frozen=True)
class InputFile:
    """An image or a video; whether it can be read shows when it is."""

    path: Path  # as the user named it
    name: Path  # below the folder that all inputs share: what its results are called
    is_video: bool = False

    def record(self, image_id: int, frame: int | None = None) -> ImageRecord:
        """Return what results call the image, or a frame of the video, counted from 1.

        Bytes of a path that are no UTF-8 are written as their codes, ``caf\\xe9.jpg``.
        """
        file_name = os.fsencode(self.path.as_posix()).decode("utf-8", "backslashreplace")
        stem = self.name.with_suffix("").as_posix()
        stem = stem if frame is None else f"{stem}_{frame:06d}"
        return ImageRecord(file_name, image_id, stem, frame)


def find_inputs(
    arguments: Sequence[str], *, recursive: bool = False, output: str | None = None
) -> list[InputFile]:
    """Return the files that the arguments name, each once and in order.

    Args:
        arguments: files, folders, patterns such as ``*.jpg``, or ``-`` for paths on standard
            input, one a line.
        recursive: look into the folders of folders as well.
        output: folder of drawings; where it lies inside a searched folder, it is left out.

    Raises:
        InputError: they name no file.
    """
    drawings = None if output is None else _absolute(Path(output).expanduser())
    roots: list[str] = []  # absolute folders
    paths: dict[str, Path] = {}  # by absolute path
    for argument in _with_stdin(arguments):
        for found, root in _expand(Path(argument).expanduser(), recursive, drawings):
            paths.setdefault(os.path.abspath(found), found)
            roots.append(os.path.abspath(root))
    if not paths:
        hint = "" if recursive else "; --recursive looks into folders of folders"
        raise InputError(f"no images or videos in {', '.join(arguments)}{hint}")
    shared = os.path.commonpath(roots)
    return [
        InputFile(path, Path(os.path.relpath(absolute, shared)), _has_suffix(path, VIDEO_SUFFIXES))
        for absolute, path in paths.items()
    ]


def video_file(argument: str) -> InputFile:
    """Return a file that is a video whatever its suffix says."""
    path = Path(argument).expanduser()
    return InputFile(path, Path(path.name), is_video=True)


def image_ids(files: Sequence[InputFile]) -> list[int]:
    """Return an id for each image: the number it is called by if all are, else its place from 1.

    COCO calls its images by their ids.
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
            # Paths are bytes, which need not be text of the terminal's encoding.
            lines = os.fsdecode(sys.stdin.buffer.read()).split("\n")
            yield from (line.strip() for line in lines if line.strip())
        else:
            yield argument


def _expand(path: Path, recursive: bool, drawings: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield the files of a path or pattern, each with the folder it was looked for in."""
    if path.is_dir():
        files = _files_of(path, recursive)
        yield from ((file, path) for file in _without(drawings, files, path))
    elif _PATTERN_CHARACTERS & set(str(path)) and not path.exists():
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        files = [match for match in matches if match.is_file()]
        searched = Path(*takewhile(lambda part: not _PATTERN_CHARACTERS & set(part), path.parts))
        yield from ((file, file.parent) for file in _without(drawings, files, searched))
    else:
        yield path, path.parent


def _without(drawings: Path | None, files: Sequence[Path], searched: Path) -> Sequence[Path]:
    """Return the files of a searched folder that do not lie in a folder of drawings inside it."""
    if drawings is None or _absolute(searched) not in drawings.parents:
        return files
    return [file for file in files if drawings not in _absolute(file).parents]


def _files_of(folder: Path, recursive: bool) -> list[Path]:
    known = IMAGE_SUFFIXES | VIDEO_SUFFIXES
    entries = folder.rglob("*") if recursive else folder.iterdir()
    return sorted(path for path in entries if _has_suffix(path, known) and path.is_file())


def _has_suffix(path: Path, suffixes: frozenset[str]) -> bool:
    return path.suffix.lower() in suffixes


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))
