"""Where files are: those that recipes and command lines name, and those that come with the project.

Recipes name files as they lie in a checkout: ``configs/...``, ``models/...``, ``datasets/...``. They are
found from any working directory, in a checkout and in an installed package.
"""

import logging
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

logger = logging.getLogger(__name__)

MAX_NAME_BYTES = 100  # of a name in a path, which has room for 255 with what is added

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_resources"  # setup.py puts it into wheels
# Holds configs/, datasets/vocabularies/, models/shapes/ and a few files of docs/
RESOURCES = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent


def resource(path: str | os.PathLike) -> Path:
    """Return where a file or folder is that comes with the project.

    Args:
        path: as in a checkout, such as ``docs/pictures/scene.png``.
    """
    return RESOURCES / path


def at_home(path: str | os.PathLike) -> Path:
    """Return a path with a leading ``~`` replaced by the home of its user, if that is known.

    Where it is not, the path stays as it is, as in shells.
    """
    return Path(os.path.expanduser(path))


@cache
def datasets_root() -> Path:
    """Return the folder of all datasets: ``$DETECTRON2_DATASETS``, by default ``datasets``.

    The environment counts as it was when somebody first asked. Importing ``detic`` asks, to register
    the datasets, so a process has one root.
    """
    return at_home(os.environ.get("DETECTRON2_DATASETS", "datasets"))


def dataset_path(path: str | os.PathLike) -> Path:
    """Return ``path`` with a leading ``datasets/`` replaced by the datasets root.

    Recipes write ``datasets/...``; with ``DETECTRON2_DATASETS`` set they find the same files there.
    """
    path = at_home(path)
    if path.parts[:1] == ("datasets",):
        return datasets_root().joinpath(*path.parts[1:])
    return path


def cache_folder() -> Path:
    """Return where what can be made again is kept: ``$DETIC_CACHE``, else ``detic`` in the user's cache.

    Where that cannot be written, as in some containers, it is a folder for temporary files.
    """
    if os.environ.get("DETIC_CACHE"):
        return at_home(os.environ["DETIC_CACHE"])
    folder = at_home(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "detic"
    if not folder.is_absolute():  # a user without a home, as in some containers
        return _cache_in_place_of(folder)
    there = next(place for place in (folder, *folder.parents) if os.path.exists(place))
    if os.access(there, os.W_OK | os.X_OK):
        return folder
    return _cache_in_place_of(folder)


@cache
def _cache_in_place_of(folder: Path) -> Path:
    """Return a folder that nobody else can write to, and say so once."""
    own = Path(tempfile.gettempdir()) / f"detic-{os.getuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    if own.stat().st_uid != os.getuid():
        own = Path(tempfile.mkdtemp(prefix="detic-"))
    logger.warning("%s cannot be written; the cache is %s (DETIC_CACHE names another)", folder, own)
    return own


def as_file_name(name: str) -> str:
    """Return a name, of a dataset for instance, as it can be part of the name of a file or folder.

    What leads elsewhere, or is no sign, is encoded as in addresses; a long name ends in a digest.

    >>> as_file_name("lvis_v1_val"), as_file_name("../../my val")
    ('lvis_v1_val', '..%2F..%2Fmy val')
    """
    safe = quote(name, safe=" ", errors="surrogatepass")
    readable = name if name.isprintable() and not set(name) & set('/\\:*?"<>|%') else safe
    if len(readable.encode()) <= MAX_NAME_BYTES:
        return readable
    return f"{safe[:MAX_NAME_BYTES]}-{sha256(safe.encode()).hexdigest()[:16]}"


def model_folders() -> Iterator[Path]:
    """Yield the folders to look for weights in: ``$DETIC_MODELS``, ``models`` here and ours."""
    if os.environ.get("DETIC_MODELS"):
        yield at_home(os.environ["DETIC_MODELS"])
    yield Path("models")
    yield resource("models")


def places(path: str | os.PathLike) -> list[Path]:
    """Return where a file that is named is looked for, in order.

    That is: as it is named, from the working directory, or below the datasets root if it starts with
    ``datasets/``; in ``$DETIC_MODELS`` if it starts with ``models/``; among what comes with the project.
    """
    named = dataset_path(path)
    if named.is_absolute() and at_home(path).is_absolute():
        return [named]
    found = [named]
    if named.parts[:1] == ("models",):
        found += [folder.joinpath(*named.parts[1:]) for folder in model_folders()]
    found.append(resource(path))
    return list({place.absolute(): place for place in reversed(found)}.values())[::-1]


def find_file(path: str | os.PathLike) -> Path:
    """Return the first of the places of a file where it is, or just the first if it is nowhere.

    Whoever reads the file then says that it is missing, see ``looked_for``.
    """
    candidates = places(path)
    return next((place for place in candidates if os.path.exists(place)), candidates[0])


def looked_for(path: str | os.PathLike) -> str:
    """Return where a file was looked for, as the end of a message."""
    return f"looked for {', '.join(str(place.absolute()) for place in places(path))}"
