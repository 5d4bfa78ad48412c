"""The images and videos that a command line names."""

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from detic.errors import InputError
from detic.files import is_hidden, reason_of
from detic.images import IMAGE_SUFFIXES, omission
from detic.outputs import ImageRecord
from detic.paths import at_home

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
    address: str | None = None  # of a stream; ``path`` is a name for it

    def record(self, image_id: int, frame: int | None = None) -> ImageRecord:
        """Return what results call the image, or a frame of the video, counted from 1.

        Bytes of a path that are no UTF-8 are written as their codes, ``caf\\xe9.jpg``.
        """
        path = self.address or self.path.as_posix()
        file_name = os.fsencode(path).decode("utf-8", "backslashreplace")
        stem = self.name.with_suffix("").as_posix()
        stem = stem if frame is None else f"{stem}_{frame:06d}"
        return ImageRecord(file_name, image_id, stem, frame)


@dataclass
class FoundInputs:
    """The files that a command line names, and what was left out."""

    files: list[InputFile] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)  # in folders: no images by their suffix
    unreadable: list[str] = field(default_factory=list)  # folders that cannot be looked into: why

    def omission(self) -> str:
        """Return a sentence on the files that were left out, "" if there are none."""
        return omission(list(map(str, self.left_out)), "an image or video")


def find_inputs(
    arguments: Sequence[str], *, recursive: bool = False, output: str | None = None
) -> FoundInputs:
    """Return the files that the arguments name, each once and in order.

    Args:
        arguments: files, folders, patterns such as ``*.jpg``, or ``-`` for paths on standard
            input, one a line.
        recursive: look into the folders of folders as well.
        output: folder of drawings; where it lies inside a searched folder, it is left out.

    Raises:
        InputError: they name no file.
    """
    drawings = None if output is None else _absolute(at_home(output))
    found = FoundInputs()
    roots: list[str] = []  # absolute folders
    paths: dict[str, Path] = {}  # by absolute path
    for argument in _with_stdin(arguments):
        for path, root in _expand(at_home(argument), recursive, drawings, found):
            paths.setdefault(os.path.abspath(path), path)
            roots.append(os.path.abspath(root))
    if not paths:
        raise InputError(_nothing_found(arguments, recursive, found))
    shared = os.path.commonpath(roots)
    found.files = [
        InputFile(path, Path(os.path.relpath(absolute, shared)), _has_suffix(path, VIDEO_SUFFIXES))
        for absolute, path in paths.items()
    ]
    return found


def _nothing_found(arguments: Sequence[str], recursive: bool, found: FoundInputs) -> str:
    if found.unreadable:
        return "; ".join(found.unreadable)
    hint = "" if recursive else "; --recursive looks into folders of folders"
    omission = found.omission() and f"; {found.omission()}"
    return f"no images or videos in {', '.join(arguments)}{hint}{omission}"


def video_file(argument: str) -> InputFile:
    """Return a file that is a video whatever its suffix says."""
    path = at_home(argument)
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


def _expand(
    path: Path, recursive: bool, drawings: Path | None, found: FoundInputs
) -> Iterator[tuple[Path, Path]]:
    """Yield the files of a path or pattern, each with the folder it was looked for in."""
    if os.path.isdir(path):
        files = _without(drawings, _files_of(path, recursive, found), path)
        known = IMAGE_SUFFIXES | VIDEO_SUFFIXES
        found.left_out += [file for file in files if not _has_suffix(file, known)]
        yield from ((file, path) for file in files if _has_suffix(file, known))
    elif _PATTERN_CHARACTERS & set(str(path)) and not os.path.exists(path):
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        files = [match for match in matches if os.path.isfile(match)]
        searched = Path(*takewhile(lambda part: not _PATTERN_CHARACTERS & set(part), path.parts))
        yield from ((file, file.parent) for file in _without(drawings, files, searched))
    else:
        yield path, path.parent


def _without(drawings: Path | None, files: Sequence[Path], searched: Path) -> Sequence[Path]:
    """Return the files of a searched folder that do not lie in a folder of drawings inside it."""
    if drawings is None or _absolute(searched) not in drawings.parents:
        return files
    return [file for file in files if drawings not in _absolute(file).parents]


def _files_of(folder: Path, recursive: bool, found: FoundInputs) -> list[Path]:
    """Return what is in a folder and is no folder itself, without hidden files, in order.

    Links that lead nowhere and the like are among them: reading tells what they are.
    """

    def note(error: OSError) -> None:
        found.unreadable.append(f"cannot look into the folder {error.filename}: {reason_of(error)}")

    files = []
    for parent, folders, names in os.walk(folder, onerror=note):
        files += [Path(parent, name) for name in names if not is_hidden(name)]
        if not recursive:
            folders.clear()
    return sorted(files)


def _has_suffix(path: Path, suffixes: frozenset[str]) -> bool:
    return path.suffix.lower() in suffixes


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))
