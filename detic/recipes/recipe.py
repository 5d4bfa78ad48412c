"""Reading recipes: each file over its base, the command line over all of them."""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, reduce
from pathlib import Path

from detectron2.config import CfgNode, get_cfg

from centernet.config import add_centernet_config
from detic.config import add_detic_config, add_extension_config
from detic.errors import InputError, in_short
from detic.extensions import import_extensions
from detic.paths import at_home, find_file, looked_for, resource
from detic.recipes.values import find_mistake, find_unequal_list, leaves
from detic.yaml_files import read_yaml

BASE_KEY = "_BASE_"
MAX_BASES = 20  # files in a row, each based on the next


def default_config() -> CfgNode:
    """Return all configuration keys with their defaults."""
    cfg = get_cfg()
    add_centernet_config(cfg)
    add_detic_config(cfg)
    add_extension_config(cfg)
    return cfg


def load_recipe(path: str | os.PathLike, overrides: Sequence[str] = ()) -> CfgNode:
    """Return the configuration of a recipe.

    A folder ``auto`` in ``OUTPUT_DIR`` becomes the name of the recipe, ``~`` the user's home.
    Packages of one's own are imported before, see :mod:`detic.extensions`.

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
    where = f"recipe {str(path)!r}"
    if not os.path.lexists(path):
        raise InputError(
            f"recipe {str(named)!r} not found; {looked_for(named)}; {_similar_recipes(named)}"
        )
    if path.suffix == ".py":
        raise InputError(f"{where} is a Python file, which train_net.py alone runs; name YAML")
    cfg = default_config()
    layers = _read_layers(path)
    content = reduce(partial(_merged, path=path), layers)
    _check_keys(content, cfg, where)
    # Not CfgNode.merge_from_file: Detectron2's builds Python objects that a file asks for.
    _merge(lambda: cfg.merge_from_other_cfg(CfgNode(content)), f"{where}: ")
    _override(cfg, list(overrides))
    given = [{key for key, _ in leaves(CfgNode(layer))} for layer in layers]
    _check_values(cfg, where, [*given, set(overrides[::2])])
    cfg.OUTPUT_DIR = _replace_auto(cfg.OUTPUT_DIR, path.stem)
    return cfg


def _read_layers(path: Path, above: tuple[Path, ...] = ()) -> list[dict]:
    """Return the keys and values of a recipe file, after those of the files that it is based on.

    Args:
        path: of the file.
        above: the files that are based on it.

    Raises:
        InputError: a file is missing or malformed, or based on itself.
    """
    where = f"recipe {str(path)!r}"
    if path.resolve() in above:
        raise InputError(f"{where}: its {BASE_KEY} leads back to itself")
    if len(above) > MAX_BASES:
        raise InputError(f"{where}: more than {MAX_BASES} files are based on each other")
    content = read_yaml(path, where)
    if not isinstance(content, dict):
        raise InputError(f"{where} is no mapping of configuration keys")
    base = content.pop(BASE_KEY, None)
    inherited = (
        [] if base is None else _read_layers(_base(str(base), path), (*above, path.resolve()))
    )
    return [*inherited, content]


def _base(name: str, path: Path) -> Path:
    """Return the file that a recipe is based on: beside it, else found like other named files."""
    what = f"recipe {str(path)!r}: its {BASE_KEY} {name[:200]!r}"
    if "://" in name:
        raise InputError(f"{what} is an address; download it and name the file")
    beside = path.parent / at_home(name)
    found = beside if os.path.isfile(beside) else find_file(name)
    if os.path.isdir(found):
        raise InputError(f"{what} is a folder; name a file")
    if not os.path.isfile(found):
        raise InputError(f"{what} is not there, nor beside the recipe; {looked_for(name)}")
    return found


def _merged(base: dict, content: dict, path: Path, section: str = "") -> dict:
    """Return the entries of two nested mappings; those of ``content`` win."""
    merged = dict(base)
    for key, value in content.items():
        if isinstance(value, dict) and key in base:
            if not isinstance(base[key], dict):
                raise InputError(
                    f"recipe {str(path)!r}: {section}{key} is no section in its {BASE_KEY}"
                )
            value = _merged(base[key], value, path, f"{section}{key}.")
        merged[key] = value
    return merged


def _check_keys(content: Mapping, defaults: CfgNode, where: str, prefix: str = "") -> None:
    """Check that a recipe has known keys, sections where the defaults have them and nowhere else.

    Raises:
        InputError: names the key, with the nearest known one.
    """
    for name, value in content.items():
        key = f"{prefix}{name}"
        if name not in defaults:
            known = [prefix + inner for inner in _key_names(defaults)] + [
                prefix + n for n in defaults
            ]
            raise InputError(f"{where}: {_unknown_key(key, known)}")
        is_section = isinstance(defaults[name], CfgNode)
        if is_section and not isinstance(value, dict):
            raise InputError(f"{where}: {key} is {str(value)[:40]!r}; expected a section with keys")
        if not is_section and isinstance(value, dict):
            raise InputError(f"{where}: {key} is a section; expected a value")
        if is_section:
            _check_keys(value, defaults[name], where, f"{key}.")


def _check_values(cfg: CfgNode, where: str, layers: Sequence[set[str]]) -> None:
    """Check the values of a configuration.

    Args:
        cfg: is checked.
        where: the recipe, for messages.
        layers: keys that each file gave, bases first, and last those of the command line.
    """
    mistake = find_mistake(cfg, default_config()) or find_unequal_list(cfg, layers)
    if mistake is not None:
        place = "" if mistake.key in layers[-1] else f"{where}: "
        raise InputError(f"{place}{mistake.key} {mistake.problem}")


def _override(cfg: CfgNode, overrides: list[str]) -> None:
    if len(overrides) % 2:
        raise InputError(
            f"options come as KEY VALUE pairs; {overrides[-1]!r} has no partner in {' '.join(overrides)!r}"
        )
    known = list(_key_names(cfg))
    for key in overrides[::2]:
        if key not in known:
            raise InputError(_unknown_key(key, known))
    _merge(lambda: cfg.merge_from_list(overrides))


def _merge(merge: Callable[[], None], where: str = "") -> None:
    try:
        merge()
    except InputError:
        raise
    except (ValueError, TypeError, AssertionError) as error:
        raise InputError(f"{where}{in_short(str(error))}") from error
    except (RecursionError, MemoryError):  # of Python's parser
        raise InputError(f"{where}a value has too many brackets inside each other") from None


def _replace_auto(output_dir: str, recipe_name: str) -> str:
    parts = at_home(output_dir).parts
    return str(Path(*(recipe_name if part == "auto" else part for part in parts)))


def _key_names(node: CfgNode, prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, CfgNode):
            yield from _key_names(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _unknown_key(key: str, known: list[str]) -> str:
    if key in known:  # in a file, where it is not looked for
        *sections, name = key.split(".")
        return f"{key!r} is a key in sections; write {': {'.join([*sections, name])}: ...{'}' * len(sections)}"
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    return f"unknown configuration key {key!r}{hint}"


def _similar_recipes(path: Path) -> str:
    folder = path.parent if path.parent.is_dir() else resource("configs")
    names = sorted(p.name for p in folder.glob("*.yaml"))
    nearest = difflib.get_close_matches(path.name, names, n=1, cutoff=0.3)
    return f"did you mean {folder / nearest[0]}?" if nearest else f"recipes lie in {folder}"
