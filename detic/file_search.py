"""The files that a path, a folder or a pattern names."""

import glob
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from detic.files import is_hidden, reason_of

_PATTERN_CHARACTERS = frozenset("*?[")


@dataclass
class FoundFiles:
    """What was found, and what was not."""

    files: list[Path] = field(default_factory=list)
    folder: Path | None = None  # that was looked into
    left_out: list[Path] = field(default_factory=list)  # in folders: of another suffix
    unreadable: list[str] = field(default_factory=list)  # folders that cannot be looked into: why


def is_pattern(path: str | os.PathLike) -> bool:
    """Return whether a path is a pattern, such as ``photos/*.jpg``, and not a file called so."""
    return bool(_PATTERN_CHARACTERS & set(str(path))) and not os.path.exists(path)


def find_files(
    path: Path,
    suffixes: Collection[str],
    *,
    recursive: bool = False,
    left_alone: Path | None = None,
) -> FoundFiles:
    """Return the files of a folder or a pattern in order; any other path is itself what is found.

    Args:
        suffixes: of the files of a folder, lowercase.
        recursive: look into folders of folders as well.
        left_alone: an absolute folder which, inside the searched one, is not looked into.
    """
    found = FoundFiles()
    if os.path.isdir(path):
        found.folder = path
        files = _without(left_alone, _files_of(path, recursive, found), path)
        found.files = [file for file in files if has_suffix(file, suffixes)]
        found.left_out = [file for file in files if not has_suffix(file, suffixes)]
    elif is_pattern(path):
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        files = [match for match in matches if os.path.isfile(match)]
        searched = Path(*takewhile(lambda part: not _PATTERN_CHARACTERS & set(part), path.parts))
        found.files = list(_without(left_alone, files, searched))
    else:
        found.files = [path]
    return found


def has_suffix(path: Path, suffixes: Collection[str]) -> bool:
    """Return whether the suffix of a path, in lowercase, is one of these."""
    return path.suffix.lower() in suffixes


def absolute(path: Path) -> Path:
    """Return a path from the root, without ``..``."""
    return Path(os.path.abspath(path))


def _without(left_alone: Path | None, files: Sequence[Path], searched: Path) -> Sequence[Path]:
    """Return the files of a searched folder that do not lie in another folder inside it."""
    if left_alone is None or absolute(searched) not in left_alone.parents:
        return files
    return [file for file in files if left_alone not in absolute(file).parents]


def _files_of(folder: Path, recursive: bool, found: FoundFiles) -> list[Path]:
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
