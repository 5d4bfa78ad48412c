"""The files: what comes with the project, weights, datasets, caches, and where can be written.

Everything here asks ``detic``, which must be there.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detic_commands.diagnosis.line import Line


def resource_lines() -> list[Line]:
    """Return what came with the project."""
    from detic.paths import RESOURCES, resource
    from detic.vocabulary.builtin import FILES, builtin_categories

    reinstall = f"the installation in {RESOURCES} is incomplete; install detic again"
    num_recipes = len(list(resource("configs").glob("**/*.yaml")))
    counts = {name: _try(lambda name: len(builtin_categories(name)), name) for name in FILES}
    shown = ", ".join(f"{name} {count}" for name, count in counts.items())
    are_there = all(isinstance(count, int) for count in counts.values())
    return [
        Line(
            "recipes", f"{num_recipes} in {resource('configs')}", None if num_recipes else reinstall
        ),
        Line("class lists", shown, None if are_there else reinstall),
    ]


def weight_lines() -> list[Line]:
    """Return where weights are looked for and what is there."""
    from detic.paths import model_folders
    from detic.released_models import find_model

    lines = [Line("weights", _weights_in(folder.absolute())) for folder in model_folders()]
    for name in ("shapes-detic", "shapes-boxsup"):
        found = str(_try(lambda name: find_model(name).find_weights().absolute(), name))
        is_there = Path(found).is_file()
        lines.append(Line(name, found if is_there else "unusable", None if is_there else found))
    return lines


def _weights_in(folder: Path) -> str:
    names = sorted(p.name for p in folder.glob("*.pth")) if folder.is_dir() else []
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{folder}: {shown or ('no released ones' if folder.is_dir() else 'not there')}"


def dataset_lines() -> list[Line]:
    """Return where datasets are looked for and which are ready."""
    from detic.datasets.table import SPECS
    from detic.paths import datasets_root
    from detic.preparation.checklist import missing_files

    root = datasets_root().absolute()
    if not root.is_dir():
        return [Line("datasets", f"{root}: not there (`detic data check` tells what to do)")]
    ready = [spec.name for spec in SPECS.values() if not missing_files(spec, root)]
    return [Line("datasets", f"{root}: {', '.join(ready) or 'none is complete'}")]


def cache_lines() -> list[Line]:
    """Return what was fetched or computed before, and where."""
    from detic.downloads import DOWNLOADS
    from detic.paths import cache_folder
    from detic.vocabulary.text_weights import OPENAI, local_text_weights

    cache = cache_folder()
    num_files = len(list(cache.glob("texts_*"))) if cache.is_dir() else 0
    encoder = str(_try(local_text_weights, OPENAI) or "")
    return [
        Line("embedded names", f"{cache}: {num_files} files", cannot_write(cache, "DETIC_CACHE")),
        Line("CLIP", encoder or "not here; fetched when class names are first embedded"),
        Line("downloads", str(cache / DOWNLOADS)),
    ]


def writing_lines() -> list[Line]:
    """Return whether results and temporary files can be written."""
    here, temporary = Path.cwd(), Path(tempfile.gettempdir())
    access = "can be written to" if os.access(here, os.W_OK) else "cannot be written to"
    return [
        Line("this folder", f"{here} {access}"),
        Line("temporary", str(temporary), cannot_write(temporary, "TMPDIR")),
    ]


def cannot_write(folder: Path, variable: str) -> str | None:
    """Return what is wrong if a folder, or what is to hold it, cannot be written to.

    Args:
        folder: it may not exist yet.
        variable: the environment variable that names another.
    """
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if existing.is_dir() and os.access(existing, os.W_OK):
        return None
    return (
        f"{folder} cannot be written to; name another folder in the environment variable {variable}"
    )


def _try(look: Callable[[str], Any], name: str) -> Any:
    """Return what a look at something finds, or why it failed."""
    try:
        return look(name)
    except Exception as error:  # whatever damaged files raise is what the report is about
        return str(error) or type(error).__name__
