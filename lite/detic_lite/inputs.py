"""The images that a command line names, and what their results are called."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from detic_lite.errors import InputError

SUFFIXES = frozenset(
    (
        *(".avif", ".bmp", ".gif", ".jfif", ".jif", ".jpe", ".jpeg", ".jpg"),
        *(".png", ".ppm", ".tif", ".tiff", ".webp"),
    )
)
_WRITTEN = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"))


def find_images(arguments: Sequence[str], *, recursive: bool = False) -> list[Path]:
    """Return the files that arguments name, each once and in order.

    Args:
        arguments: files, folders, whose images are taken, or patterns such as ``photos/*.jpg``.
        recursive: look into folders of folders as well.

    Raises:
        InputError: they name no file.
    """
    found: dict[str, Path] = {}  # by absolute path
    for argument in arguments:
        for path in _files(Path(argument), recursive):
            found.setdefault(os.path.abspath(path), path)
    if not found:
        hint = "" if recursive else "; --recursive looks into folders of folders"
        raise InputError(f"no images in {', '.join(arguments)}{hint}")
    return list(found.values())


def image_ids(paths: Sequence[Path]) -> list[int]:
    """Return an id for each image: the number it is called by if all are, else its place from 1.

    >>> image_ids([Path("000042.jpg"), Path("7.png")]), image_ids([Path("a.jpg"), Path("7.png")])
    ([42, 7], [1, 2])
    """
    stems = [path.stem for path in paths]
    if all(stem.isdecimal() for stem in stems) and len(set(map(int, stems))) == len(stems):
        return list(map(int, stems))
    return list(range(1, len(paths) + 1))


def plan_drawings(
    images: Sequence[Path], output: Path | None, *, overwrite: bool
) -> dict[Path, Path]:
    """Return where the drawing of each image goes; nowhere if ``output`` is None.

    Args:
        output: a folder, where drawings are called as their images; or, of one image, a file.
        overwrite: drawings may replace others, though never an image.

    Raises:
        InputError: two drawings would have one name, or one would replace a file.
    """
    if output is None:
        return {}
    if output.suffix.lower() in _WRITTEN and not output.is_dir():
        if len(images) > 1:
            raise InputError(
                f"--output {output} is one file for {len(images)} images; name a folder"
            )
        planned = {images[0]: output}
    else:
        planned = {image: output / _drawing_name(image) for image in images}
    if len(set(planned.values())) < len(planned):
        raise InputError("two images have one name, and so have their drawings; rename one of them")
    places = set(map(os.path.abspath, images))
    for drawing in planned.values():
        if os.path.abspath(drawing) in places:
            raise InputError(f"--output would replace the image {drawing}; name another folder")
        if drawing.exists() and not overwrite:
            raise InputError(f"{drawing} exists; --overwrite replaces it")
    return planned


def _drawing_name(image: Path) -> str:
    return image.name if image.suffix.lower() in _WRITTEN else f"{image.name}.png"


def _files(path: Path, recursive: bool) -> list[Path]:
    if path.is_dir():
        inside = path.rglob("*") if recursive else path.iterdir()
        return sorted(file for file in inside if _is_image(file))
    if path.exists() or not glob.has_magic(os.fspath(path)):
        return [path]  # reading it will tell what is wrong
    matches = sorted(glob.glob(os.fspath(path), recursive=True))
    return [Path(match) for match in matches if os.path.isfile(match)]


def _is_image(path: Path) -> bool:
    is_hidden = path.name.startswith(".")
    return path.suffix.lower() in SUFFIXES and not is_hidden and not path.is_dir()
