"""Which files a dataset needs, which of them are missing, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from detic.datasets.table import DatasetSpec
from detic.preparation.sources import (
    ALTERNATIVES,
    EMBEDDINGS,
    IMAGENET_LVIS,
    IMAGENET_TARS,
    SOURCES,
    TAR_INDEX,
    Source,
)

# Folders of images where they are not the image root itself; one of each tuple will do.
IMAGE_FOLDERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "lvis_v1_val": (("coco/train2017/",), ("coco/val2017/",)),
    "lvis_v1_test_dev": (("coco/test2017/",),),
    "lvis_v1_test_challenge": (("coco/test2017/",),),
    "imagenet_lvis_v1": ((IMAGENET_LVIS, TAR_INDEX),),
    "imagenet_lvis-22k": ((IMAGENET_TARS,),),
}
LVIS_TRAIN_FOLDER = ("coco/train2017/",)


@dataclass(frozen=True)
class Step:
    """One thing to do: fetch or make some files."""

    source: Source
    files: tuple[str, ...]


def needed_files(spec: DatasetSpec) -> list[tuple[str, ...]]:
    """Return what training or testing on a dataset reads; of each tuple, one file will do."""
    folder = spec.image_root.rstrip("/") + "/"
    default = (LVIS_TRAIN_FOLDER,) if folder == "coco/" else ((folder,),)
    embeddings = [(EMBEDDINGS[spec.vocabulary],)] if spec.vocabulary in EMBEDDINGS else []
    return [
        (spec.annotation_file,),
        *IMAGE_FOLDERS.get(spec.name, default),
        *((path,) for path in spec.also_needs),
        *embeddings,
    ]


def missing_files(spec: DatasetSpec, root: Path) -> list[str]:
    """Return the files that are missing, one of each choice."""
    return [
        choice[0]
        for choice in needed_files(spec)
        if not any(is_there(root, path) for path in choice)
    ]


def is_there(root: Path, path: str) -> bool:
    """Return whether a file exists, or a folder has something in it."""
    if path.endswith("/"):
        return (root / path).is_dir() and any((root / path).iterdir())
    return (root / path).is_file()


def source_of(path: str, root: Path) -> Source:
    """Return the way to get a file: of two, the second if only what that needs is there."""

    def can_start(source: Source) -> bool:
        return all(is_there(root, needed) for needed in source.inputs)

    first, second = SOURCES[path], ALTERNATIVES.get(path)
    return second if second and can_start(second) and not can_start(first) else first


def steps_to(missing: Iterable[str], root: Path) -> list[Step]:
    """Return what to do, in order, to get missing files.

    Files that one command makes, or that come from one address, are one step. Everything that has
    to be fetched comes first; a command comes after those that make what it reads.
    """
    in_order: dict[str, None] = {}
    for path in missing:
        _visit(path, root, in_order)
    files_of: dict[Source, list[str]] = {}
    for path in in_order:
        files_of.setdefault(source_of(path, root), []).append(path)
    steps = [Step(source, tuple(files)) for source, files in files_of.items()]
    return sorted(steps, key=lambda step: step.source.is_command)


def _visit(path: str, root: Path, in_order: dict[str, None]) -> None:
    """Add a missing file to an ordered set, what it is made of first."""
    if path in in_order or is_there(root, path):
        return
    for needed in source_of(path, root).inputs:
        _visit(needed, root, in_order)
    in_order[path] = None
