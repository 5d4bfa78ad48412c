"""Where drawn images and videos are written."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from detic.demo.inputs import VIDEO_SUFFIXES, InputFile
from detic.errors import InputError
from detic.files import check_place, refuse_existing
from detic.images import IMAGE_SUFFIXES
from detic.paths import at_home
from detic.rendering.files import WRITABLE

_VIDEO = ".mp4"


@dataclass(frozen=True)
class Destination:
    """The files of drawings."""

    paths: Mapping[InputFile, Path]  # of each input
    overwrite: bool

    def path_of(self, file: InputFile) -> Path:
        """Return where the drawing of an input belongs."""
        return self.paths[file]

    def keeps(self, file: InputFile) -> bool:
        """Return whether there is a drawing of the input already, which must stay."""
        return not self.overwrite and self.path_of(file).exists()


def plan_destination(
    output: str | None, files: Sequence[InputFile], *, overwrite: bool
) -> Destination | None:
    """Return where ``--output`` sends the drawings of ``files``, None without one.

    Raises:
        InputError: a file stands where it would write, its suffix is not known, the file's format does not suit, or two
            drawings would have one name.
    """
    if output is None:
        return None
    path = at_home(output)
    is_folder = path.is_dir() or output.endswith(("/", os.sep))
    is_file = path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES and not is_folder
    check_place(path, is_folder=not is_file)
    if path.suffix and not (is_file or is_folder):
        raise InputError(
            f"--output {path}: {path.suffix} is no suffix of images or videos that are written; "
            f"choose {', '.join(sorted(WRITABLE))} or {_VIDEO}, or end the name of a folder with /"
        )
    if is_file:
        _check_file(path, files)
        refuse_existing(path, overwrite)
        paths = {files[0]: path}
    else:
        paths = {file: path / name for file, name in drawing_names(files).items()}
    inputs = {os.path.abspath(file.path): file.path for file in files}
    for drawing in map(os.path.abspath, paths.values()):
        if drawing in inputs:
            raise InputError(
                f"--output {path} would replace the input {inputs[drawing]}; name another"
            )
    return Destination(paths, overwrite)


def drawing_names(files: Sequence[InputFile]) -> dict[InputFile, Path]:
    """Return what drawings are called in a folder: as their inputs, in a format we can write.

    Where the suffix changes and two drawings would have one name, the old suffix stays:
    ``a.gif`` beside ``a.png`` becomes ``a.gif.png``.

    Raises:
        InputError: two drawings still have one name.
    """
    suffixes = {file: _drawing_suffix(file) for file in files}
    names = {file: file.name.with_suffix(suffix) for file, suffix in suffixes.items()}
    uses = Counter(names.values())
    for file, suffix in suffixes.items():
        if uses[names[file]] > 1 and names[file] != file.name:
            names[file] = file.name.with_name(file.name.name + suffix)
    owners: dict[Path, InputFile] = {}
    for file, name in names.items():
        owner = owners.setdefault(name, file)
        if owner is not file:
            raise InputError(
                f"{owner.source} and {file.source} would both be drawn as {name}; rename one of them"
            )
    return names


def _drawing_suffix(file: InputFile) -> str:
    if file.is_video:
        return _VIDEO
    suffix = file.name.suffix
    return suffix if suffix.lower() in WRITABLE else ".png"  # of GIF and the like


def plan_recording(output: str | None, *, overwrite: bool) -> Path | None:
    """Return the video file that ``--output`` names for a camera, None without one.

    Raises:
        InputError: it is no video file, or there is one already.
    """
    if output is None:
        return None
    path = at_home(output)
    if path.suffix.lower() != _VIDEO:
        raise InputError(f"--output {path} of a camera must be a {_VIDEO} file")
    check_place(path, is_folder=False)
    refuse_existing(path, overwrite)
    return path


def _check_file(path: Path, files: Sequence[InputFile]) -> None:
    if len(files) != 1:
        raise InputError(
            f"--output {path} is one file for {len(files)} inputs; name a folder (no suffix)"
        )
    suffix, is_video = path.suffix.lower(), files[0].is_video
    if is_video != (suffix in VIDEO_SUFFIXES):
        kind = "a video" if is_video else "an image"
        raise InputError(f"--output {path} does not suit {files[0].source}, which is {kind}")
    if is_video and suffix != _VIDEO:
        raise InputError(f"videos are written as {_VIDEO}, not {path.suffix}")
    if not is_video and suffix not in WRITABLE:
        choices = ", ".join(sorted(WRITABLE))
        raise InputError(f"images are written as {choices}, not {path.suffix}")
