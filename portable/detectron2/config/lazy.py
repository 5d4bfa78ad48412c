"""Configurations as Python files, of calls that are made later.

    # model.py
    from .common import width
    model = LazyCall(Head)(width=8, depth=2)

    cfg = LazyConfig.load("model.py")
    LazyConfig.apply_overrides(cfg, ["model.depth=3"])
    head = instantiate(cfg.model)

They are omegaconf's containers, so `"${model.width}"` refers to another value. It has to be
installed: pip install omegaconf.
"""

import builtins
import dataclasses
import inspect
import os
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml
from detectron2.utils.file_io import PathManager
from detectron2.utils.registry import locate

if TYPE_CHECKING:
    from omegaconf import DictConfig


class LazyCall:
    """`LazyCall(f)(a=1)` is a description of the call f(a=1); see `instantiate`."""

    def __init__(self, target):
        """Take what is to be called: a callable, its dotted name, or a description of one."""
        if not (callable(target) or isinstance(target, str | Mapping)):
            raise TypeError(f"LazyCall takes a callable or its name, got {target!r}")
        # omegaconf would take a dataclass for the description of its fields.
        self._target = _dotted_name(target) if dataclasses.is_dataclass(target) else target

    def __call__(self, **kwargs) -> "DictConfig":
        """Return the description of the call with these arguments."""
        return _to_config({**kwargs, "_target_": self._target})


class LazyConfig:
    """Loading, changing and saving of such configurations."""

    @staticmethod
    def load(filename: str, keys: str | Sequence[str] | None = None):
        """Return the configuration in a .py, .yaml or .yml file.

        A Python file is executed. Its relative imports name other files, `from .common import
        width` the file common.py beside it; each import executes them anew, so that nobody
        changes the values of others.

        Args:
            keys: None for a DictConfig with all dicts and lists of the file whose names do not
                begin with "_"; one name for its value; several names for a tuple of values.
        """
        if not filename.endswith((".py", ".yaml", ".yml")):
            raise ValueError(f"{filename} is no configuration; its name ends in .py, .yaml or .yml")
        path = PathManager.get_local_path(filename)
        if filename.endswith(".py"):
            content = _execute(path)
            if keys is None:
                content = {name: v for name, v in content.items() if _is_exported(name, v)}
        else:
            with open(path, encoding="utf-8") as file:
                content = yaml.safe_load(file) or {}
        if keys is None:
            return _to_config(content)
        if isinstance(keys, str):
            return _to_config(content[keys])
        return tuple(_to_config(content[key]) for key in keys)

    @staticmethod
    def load_rel(filename: str, keys: str | Sequence[str] | None = None):
        """Return what `load` does, for a path relative to the file of the caller."""
        caller = inspect.stack()[1].frame.f_globals.get("__file__")
        if caller is None:
            raise ValueError("load_rel has to be called from a file; use load")
        return LazyConfig.load(os.path.join(os.path.dirname(caller), filename), keys)

    @staticmethod
    def save(cfg, filename: str) -> None:
        """Write a configuration as YAML, with callables by their names.

        Raises:
            ValueError: it holds an object that has no name and is no plain value.
        """
        from omegaconf import OmegaConf

        plain = _to_plain(OmegaConf.to_container(cfg, resolve=False), "")
        with PathManager.open(filename, "w") as file:
            yaml.safe_dump(plain, file, default_flow_style=None, allow_unicode=True, width=9999)

    @staticmethod
    def apply_overrides(cfg, overrides: list[str]):
        """Return `cfg`, changed by texts like "a.b=3", "a.0.name=x" and "steps=[1, 2]".

        Values are written as in YAML. Keys that are not there are added; a "+" before them says
        so, and changes nothing. "~", which would remove a key, is refused.
        """
        from omegaconf import OmegaConf

        for override in overrides:
            key, separator, text = override.partition("=")
            key = key.lstrip("+")
            if not separator or not key or key.startswith("~"):
                raise ValueError(f"an override is written key=value, got {override!r}")
            _check_parents(cfg, key)
            value = OmegaConf.from_dotlist([f"value={text}"]).value
            OmegaConf.update(cfg, key, value, merge=True)
        return cfg

    @staticmethod
    def to_py(cfg, prefix: str = "cfg.") -> str:
        """Return a configuration as lines that look like Python, to be read rather than run.

        A line has a value, or the call that a description stands for; references are resolved.
        """
        from omegaconf import OmegaConf

        content = OmegaConf.to_container(cfg, resolve=True)
        if not _is_section(content):
            return f"{prefix.rstrip('.')} = {_expression(content)}"
        return "\n".join(_lines(content, prefix))


def _check_parents(cfg, key: str) -> None:
    """Raise KeyError if a part of a dotted key belongs to something that has no parts."""
    from omegaconf import OmegaConf

    parts = key.split(".")
    for end in range(1, len(parts)):
        parent = ".".join(parts[:end])
        value = OmegaConf.select(cfg, parent, default=None)
        if value is not None and not OmegaConf.is_config(value):
            raise KeyError(f"cannot set {key!r}: {parent!r} is {value!r}, which has no parts")


def _to_config(value: Any) -> Any:
    """Return a dict or list as omegaconf's container, which may hold any object; others as is."""
    try:
        from omegaconf import DictConfig, ListConfig
    except ModuleNotFoundError as error:
        message = "LazyConfig needs omegaconf: pip install omegaconf"
        raise ModuleNotFoundError(message, name="omegaconf") from error
    kind = {dict: DictConfig, list: ListConfig}.get(type(value))
    return value if kind is None else kind(value, flags={"allow_objects": True})


def _is_exported(name: str, value: Any) -> bool:
    return not name.startswith("_") and type(value).__name__ in (
        *("dict", "list"),
        *("DictConfig", "ListConfig"),
    )


def _execute(path: str) -> dict[str, Any]:
    """Return the global names of a Python file, with dicts and lists as containers."""

    def import_(name, globals=None, locals=None, fromlist=(), level=0):
        if level == 0:
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = types.ModuleType(name)
        vars(module).update(_execute(_imported_file(path, name, level)))
        return module

    namespace = {
        "__file__": path,
        "__name__": os.path.splitext(os.path.basename(path))[0],
        "__builtins__": {**vars(builtins), "__import__": import_},
    }
    with open(path, encoding="utf-8") as file:
        exec(compile(file.read(), path, "exec"), namespace)
    names = [name for name in namespace if name not in ("__builtins__", "__name__", "__file__")]
    return {name: _to_config(namespace[name]) for name in names}


def _imported_file(path: str, name: str, level: int) -> str:
    """Return the file that `from <level dots><name> import ...` in the file `path` means."""
    dots = "." * level
    if not name:
        raise ImportError(
            f"'from {dots} import ...' in {path}: name the file, as in 'from {dots}base import model'"
        )
    folder = os.path.dirname(path)
    for _ in range(level - 1):
        folder = os.path.join(folder, os.pardir)
    imported = os.path.normpath(os.path.join(folder, *name.split(".")) + ".py")
    if not os.path.isfile(imported):
        raise ImportError(f"{path} imports from '{dots}{name}', but there is no file {imported}")
    return imported


def _to_plain(value: Any, key: str) -> Any:
    """Return `value` with plain values only; `key` says where it is."""
    if isinstance(value, dict):
        return {k: _to_plain(v, f"{key}.{k}".lstrip(".")) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(v, f"{key}.{i}") for i, v in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    name = _dotted_name(value)
    try:
        named = locate(name)
    except ImportError:
        named = None
    if named is not value:
        raise ValueError(f"{key} is {value!r}, which cannot be written to YAML")
    return name


def _dotted_name(value: Any) -> str:
    """Return the name that a class or function may be located by."""
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"


def _is_section(value: Any) -> bool:
    """Return whether a value is a dict of further values, and no description of a call."""
    return isinstance(value, dict) and "_target_" not in value


def _lines(section: dict, prefix: str) -> Iterator[str]:
    for key, value in section.items():
        if _is_section(value):
            yield from _lines(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key} = {_expression(value)}"


def _expression(value: Any) -> str:
    """Return a value as an expression; calls and callables by their names."""
    if isinstance(value, dict) and "_target_" in value:
        target = value["_target_"]
        arguments = [f"{k}={_expression(v)}" for k, v in value.items() if k != "_target_"]
        name = target if isinstance(target, str) else _expression(target)
        return f"{name}({', '.join(arguments)})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k!r}: {_expression(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_expression, value))}]"
    return _dotted_name(value) if callable(value) else repr(value)
