"""Where datasets lie."""

import os
from pathlib import Path


def datasets_root() -> Path:
    """Return the folder of all datasets: ``$DETECTRON2_DATASETS``, by default ``datasets``."""
    return Path(os.environ.get("DETECTRON2_DATASETS", "datasets")).expanduser()


def dataset_path(path: str | Path) -> Path:
    """Return ``path`` with a leading ``datasets/`` replaced by the datasets root.

    Recipes write ``datasets/...``; with ``DETECTRON2_DATASETS`` set they find the same files there.
    """
    path = Path(path)
    if path.parts[:1] == ("datasets",):
        return datasets_root().joinpath(*path.parts[1:])
    return path
