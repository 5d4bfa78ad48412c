"""Recipes: YAML files merged over the defaults of every configuration key."""

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from detectron2.config import CfgNode, get_cfg

from centernet.config import add_centernet_config
from detic.config import add_detic_config, add_extension_config
from detic.errors import InputError
from detic.extensions import import_extensions
from detic.paths import find_file, looked_for, resource

BASE_KEY = "_BASE_"


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
        path: YAML file, found as ``detic.paths.places`` says; its ``_BASE_`` names the file it differs
            from, beside it or found like it.
        overrides: keys and values in turn, as given on the command line.

    Raises:
        InputError: the file is missing or malformed, a key or value does not fit, or a package of
            one's own cannot be imported.
    """
    import_extensions()
    named, path = Path(path), find_file(path)
    if not path.is_file():
        raise InputError(
            f"recipe {str(named)!r} not found; {looked_for(named)}; {_similar_recipes(named)}"
        )
    cfg = default_config()
    known = list(_key_names(cfg))
    try:
        cfg.merge_from_other_cfg(CfgNode(_read(path)))
    except (KeyError, ValueError, TypeError, AssertionError) as e:
        if isinstance(e, InputError):
            raise
        raise InputError(f"recipe {str(path)!r}: {_explain(e, known)}") from e
    _override(cfg, list(overrides), known)
    cfg.OUTPUT_DIR = _replace_auto(cfg.OUTPUT_DIR, path.stem)
    return cfg


def _read(path: Path, above: tuple[Path, ...] = ()) -> dict:
    """Return the keys and values of a recipe file and of those that it is based on.

    Args:
        path: of the file, which exists.
        above: the files that are based on it.

    Raises:
        InputError: a file is missing or malformed, or based on itself.
    """
    if path.resolve() in above:
        raise InputError(f"recipe {str(path)!r}: its {BASE_KEY} leads back to itself")
    content = _parse(path)
    base = content.pop(BASE_KEY, None)
    if base is None:
        return content
    inherited = _read(_base(str(base), path), (*above, path.resolve()))
    return _merged(inherited, content, path)


def _parse(path: Path) -> dict:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as e:
        raise InputError(f"recipe {str(path)!r} is not valid YAML: {e}") from e
    except UnicodeDecodeError as e:  # of a binary file
        raise InputError(f"recipe {str(path)!r} is no mapping of configuration keys") from e
    if not isinstance(content, dict):
        raise InputError(f"recipe {str(path)!r} is no mapping of configuration keys")
    return content


def _base(name: str, path: Path) -> Path:
    """Return the file that a recipe is based on: beside it, else found like other named files."""
    beside = path.parent / os.path.expanduser(name)
    found = beside if beside.is_file() else find_file(name)
    if not found.is_file():
        raise InputError(
            f"recipe {str(path)!r}: its {BASE_KEY} {name!r} is not there, nor beside the recipe; "
            f"{looked_for(name)}"
        )
    return found


def _merged(base: dict, content: dict, path: Path) -> dict:
    """Return the entries of two nested mappings; those of ``content`` win."""
    merged = dict(base)
    for key, value in content.items():
        if isinstance(value, dict) and key in base:
            if not isinstance(base[key], dict):
                raise InputError(f"recipe {str(path)!r}: {key} is no section in its {BASE_KEY}")
            value = _merged(base[key], value, path)
        merged[key] = value
    return merged


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
    folder = path.parent if path.parent.is_dir() else resource("configs")
    names = sorted(p.name for p in folder.glob("*.yaml"))
    nearest = difflib.get_close_matches(path.name, names, n=1, cutoff=0.3)
    return f"did you mean {folder / nearest[0]}?" if nearest else f"recipes lie in {folder}"
