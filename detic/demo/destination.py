"""Where drawn pictures and videos are written."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detic.demo.inputs import VIDEO_SUFFIXES, InputFile
from detic.errors import InputError
from detic.files import write_bytes

# Pictures of other formats are written as PNG.
_WRITABLE = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"))
_VIDEO = ".mp4"


@dataclass(frozen=True)
class Destination:
    """A file for one input, or a folder in which inputs keep their names."""

    path: Path
    is_file: bool
    overwrite: bool

    def path_of(self, file: InputFile) -> Path:
        """Return where the drawing of an input belongs."""
        if self.is_file:
            return self.path
        if file.is_video:
            return self.path / file.name.with_suffix(_VIDEO)
        suffix = file.name.suffix
        keeps_format = suffix.lower() in _WRITABLE
        return self.path / file.name.with_suffix(suffix if keeps_format else ".png")

    def keeps(self, file: InputFile) -> bool:
        """Return whether there is a drawing of the input already, which must stay."""
        return not self.overwrite and self.path_of(file).exists()


def plan_destination(
    output: str | None, files: Sequence[InputFile], *, overwrite: bool
) -> Destination | None:
    """Return where ``--output`` sends the drawings of ``files``, None without one.

    Raises:
        InputError: a file stands where it would write, or the file's format does not suit.
    """
    if output is None:
        return None
    path = Path(output).expanduser()
    is_file = path.suffix.lower() in _WRITABLE | VIDEO_SUFFIXES and not path.is_dir()
    destination = Destination(path, is_file, overwrite)
    if is_file:
        _check_file(path, files)
        refuse_existing(path, overwrite)
    elif path.exists() and not path.is_dir():
        raise InputError(f"--output {path} is a file of an unknown format; name a folder")
    for file in files:
        if os.path.abspath(destination.path_of(file)) == os.path.abspath(file.path):
            raise InputError(f"--output {path} would replace the input {file.path}; name another")
    return destination


def plan_recording(output: str | None, *, overwrite: bool) -> Path | None:
    """Return the video file that ``--output`` names for a camera, None without one.

    Raises:
        InputError: it is no video file, or there is one already.
    """
    if output is None:
        return None
    path = Path(output).expanduser()
    if path.suffix.lower() != _VIDEO:
        raise InputError(f"--output {path} of a camera must be a {_VIDEO} file")
    refuse_existing(path, overwrite)
    return path


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise if results are there already, unless they may be replaced."""
    occupied = any(path.iterdir()) if path.is_dir() else path.exists()
    if occupied and not overwrite:
        raise InputError(f"{path} exists and is kept; --overwrite replaces it")


def write_picture(path: Path, image_bgr: np.ndarray) -> None:
    """Write a picture (H, W, 3) uint8 in the format of its suffix."""
    is_encoded, content = cv2.imencode(path.suffix, image_bgr)
    if not is_encoded:
        raise InputError(f"OpenCV cannot write {path.suffix} pictures; choose .jpg or .png")
    write_bytes(path, content.tobytes())


def _check_file(path: Path, files: Sequence[InputFile]) -> None:
    if len(files) != 1:
        raise InputError(
            f"--output {path} is one file for {len(files)} inputs; name a folder (no suffix)"
        )
    kind = "video" if files[0].is_video else "picture"
    if files[0].is_video != (path.suffix.lower() in VIDEO_SUFFIXES):
        raise InputError(f"--output {path} does not suit {files[0].path}, which is a {kind}")
    if files[0].is_video and path.suffix.lower() != _VIDEO:
        raise InputError(f"videos are written as {_VIDEO}, not {path.suffix}")
