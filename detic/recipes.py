"""Recipes: YAML files merged over the defaults of every configuration key."""

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from detectron2.config import CfgNode, get_cfg

from centernet.config import add_centernet_config
from detic.config import add_detic_config, add_extension_config
from detic.errors import InputError
from detic.extensions import import_extensions


def default_config() -> CfgNode:
    """Return all configuration keys with their defaults."""
    cfg = get_cfg()
    add_centernet_config(cfg)
    add_detic_config(cfg)
    add_extension_config(cfg)
    return cfg


def load_recipe(path: str | os.PathLike, overrides: Sequence[str] = ()) -> CfgNode:
    """Return the configuration of a recipe.

    A folder ``auto`` in ``OUTPUT_DIR`` becomes the name of the recipe. Packages of one's own are
    imported before, see :mod:`detic.extensions`.

    Args:
        path: YAML file; its ``_BASE_`` names the file it differs from.
        overrides: keys and values in turn, as given on the command line.

    Raises:
        InputError: the file is missing or malformed, a key or value does not fit, or a package of
            one's own cannot be imported.
    """
    import_extensions()
    path = Path(path)
    if not path.is_file():
        raise InputError(f"recipe {str(path)!r} not found; {_similar_recipes(path)}")
    cfg = default_config()
    known = list(_key_names(cfg))
    try:
        cfg.merge_from_file(str(path))
    except RecursionError as e:
        raise InputError(f"recipe {str(path)!r}: its _BASE_ leads back to itself") from e
    except FileNotFoundError as e:
        raise InputError(f"recipe {str(path)!r}: its _BASE_ {e.filename!r} is not there") from e
    except (AttributeError, UnicodeDecodeError) as e:  # of a list, a word, a binary file
        raise InputError(f"recipe {str(path)!r} is no mapping of configuration keys") from e
    except (KeyError, ValueError, TypeError, AssertionError) as e:
        raise InputError(f"recipe {str(path)!r}: {_explain(e, known)}") from e
    except Exception as e:  # yaml's errors share no public base with the above
        if not type(e).__module__.startswith("yaml"):
            raise
        raise InputError(f"recipe {str(path)!r} is not valid YAML: {e}") from e
    _override(cfg, list(overrides), known)
    cfg.OUTPUT_DIR = _replace_auto(cfg.OUTPUT_DIR, path.stem)
    return cfg


def _override(cfg: CfgNode, overrides: list[str], known: list[str]) -> None:
    if len(overrides) % 2:
        raise InputError(
            f"options come as KEY VALUE pairs; {overrides[-1]!r} has no partner in {' '.join(overrides)!r}"
        )
    for key in overrides[::2]:
        if key not in known:
            raise InputError(_unknown_key(key, known))
    try:
        cfg.merge_from_list(overrides)
    except (ValueError, TypeError, AssertionError) as e:
        raise InputError(str(e)) from e


def _replace_auto(output_dir: str, recipe_name: str) -> str:
    parts = Path(output_dir).parts
    return str(Path(*(recipe_name if part == "auto" else part for part in parts)))


def _key_names(node: CfgNode, prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, CfgNode):
            yield from _key_names(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _explain(error: Exception, known: list[str]) -> str:
    """Return the message of a failed merge, with the nearest key if one is unknown."""
    message = str(error.args[0]) if error.args else str(error)
    if isinstance(error, KeyError):
        return _unknown_key(message.rsplit(" ", 1)[-1], known)
    return message


def _unknown_key(key: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    return f"unknown configuration key {key!r}{hint}"


def _similar_recipes(path: Path) -> str:
    folder = path.parent if path.parent.is_dir() else Path("configs")
    names = sorted(p.name for p in folder.glob("*.yaml"))
    nearest = difflib.get_close_matches(path.name, names, n=1, cutoff=0.3)
    return f"did you mean {folder / nearest[0]}?" if nearest else "recipes lie in configs/"
