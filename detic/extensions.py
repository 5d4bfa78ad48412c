"""Packages of one's own, imported so that recipes can name what they register.

A recipe is data and names no code. The person at the keyboard does, by ``--import MODULE`` or by
the environment variable DETIC_IMPORTS. Only modules that Python finds by itself are imported:
installed ones, and those below a folder of PYTHONPATH.
"""

import importlib
import os
from collections.abc import Iterable

from detic.errors import InputError

VARIABLE = "DETIC_IMPORTS"  # names of modules, separated by commas


def request_imports(modules: Iterable[str]) -> None:
    """Add modules to those that ``import_extensions`` imports, here and in child processes."""
    names = dict.fromkeys([*requested_modules(), *modules])
    if names:
        os.environ[VARIABLE] = ",".join(names)


def requested_modules() -> list[str]:
    """Return the names of the modules that were asked for."""
    names = (name.strip() for name in os.environ.get(VARIABLE, "").split(","))
    return [name for name in names if name]


def import_extensions() -> None:
    """Import the modules that were asked for, each once in a process.

    Raises:
        InputError: a module is not there, or it needs one that is not.
    """
    for name in requested_modules():
        _import(name)


def _import(name: str) -> None:
    if not all(part.isidentifier() for part in name.split(".")):
        raise InputError(
            f"--import (or {VARIABLE}) has {name!r}; name a module as Python does, such as "
            "my_package or my_package.backbones"
        )
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            raise InputError(
                f"--import (or {VARIABLE}) names {name}, and Python finds no module {error.name}; "
                "install it in this environment, or put the folder that holds it into PYTHONPATH"
            ) from error
        raise InputError(f"{name} needs the module {error.name}, which is not installed") from error
