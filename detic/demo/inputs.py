"""The images and videos that a command line names."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from detic.errors import InputError
from detic.file_search import absolute, find_files, has_suffix
from detic.image_sources import is_address, shown_name
from detic.images import IMAGE_SUFFIXES, omission
from detic.outputs import ImageRecord
from detic.paths import as_file_name, at_home

VIDEO_SUFFIXES = frozenset(
    (
        *(".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
        *(".ogv", ".ts", ".webm", ".wmv"),
    )
)
_STDIN = "-"
_WEB = ("http", "https")


@dataclass(frozen=True)
class InputFile:
    """An image or a video; whether it can be read shows when it is."""

    path: Path  # as the user named it
    name: Path  # below the folder that all inputs share: what its results are called
    is_video: bool = False
    address: str | None = None  # of a file or a stream; None: it is a file of this machine

    @property
    def source(self) -> str:
        """Where it is read."""
        return self.address or str(self.path)

    def record(self, image_id: int, frame: int | None = None) -> ImageRecord:
        """Return what results call the image, or a frame of the video, counted from 1.

        Bytes of a path that are no UTF-8 are written as their codes, ``caf\\xe9.jpg``.
        """
        file_name = shown_name(self.address or self.path.as_posix())
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
        arguments: files, addresses, folders, patterns such as ``*.jpg``, or ``-`` for paths on
            standard input, one a line.
        recursive: look into the folders of folders as well.
        output: folder of drawings; where it lies inside a searched folder, it is left out.

    Raises:
        InputError: they name no file.
    """
    drawings = None if output is None else absolute(at_home(output))
    found = FoundInputs()
    roots: list[str] = []  # absolute folders
    paths: dict[str, Path] = {}  # by absolute path
    addresses: list[str] = []
    for argument in _with_stdin(arguments):
        if is_address(argument):
            addresses.append(argument)
            continue
        of_argument = find_files(
            at_home(argument),
            IMAGE_SUFFIXES | VIDEO_SUFFIXES,
            recursive=recursive,
            left_alone=drawings,
        )
        found.left_out += of_argument.left_out
        found.unreadable += of_argument.unreadable
        for path in of_argument.files:
            paths.setdefault(os.path.abspath(path), path)
            roots.append(os.path.abspath(of_argument.folder or path.parent))
    if not paths and not addresses:
        raise InputError(_nothing_found(arguments, recursive, found))
    found.files = [*_named_files(paths, roots), *map(_at_address, dict.fromkeys(addresses))]
    return found


def _named_files(paths: Mapping[str, Path], roots: Sequence[str]) -> Iterator[InputFile]:
    """Yield files with their names below the folder that the roots share."""
    shared = os.path.commonpath(roots) if roots else ""
    for absolute_path, path in paths.items():
        name = Path(os.path.relpath(absolute_path, shared))
        yield InputFile(path, name, has_suffix(path, VIDEO_SUFFIXES))


def _at_address(address: str) -> InputFile:
    """Return the file at an address, which is called as there, ``a.jpg`` of http://b.org/c/a.jpg?d."""
    last = unquote(urlsplit(address).path).rstrip("/").rpartition("/")[2]
    name = Path(as_file_name(last or urlsplit(address).netloc))
    return InputFile(Path(address), name, has_suffix(name, VIDEO_SUFFIXES), address)


def is_stream(argument: str) -> bool:
    """Return whether an argument is the address of a stream: of all but files of the web.

    >>> [is_stream(a) for a in ("rtsp://camera/1.mp4", "http://camera/live", "http://b.org/a.mp4", "a.mp4")]
    [True, True, False, False]
    """
    if not is_address(argument):
        return False
    return urlsplit(argument).scheme.lower() not in _WEB or not _at_address(argument).is_video


def _nothing_found(arguments: Sequence[str], recursive: bool, found: FoundInputs) -> str:
    if found.unreadable:
        return "; ".join(found.unreadable)
    hint = "" if recursive else "; --recursive looks into folders of folders"
    omission = found.omission() and f"; {found.omission()}"
    return f"no images or videos in {', '.join(arguments)}{hint}{omission}"


def video_file(argument: str) -> InputFile:
    """Return a file, maybe at an address, that is a video whatever its suffix says."""
    if is_address(argument):
        return replace(_at_address(argument), is_video=True)
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
