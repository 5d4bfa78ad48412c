"""`CfgNode`, the configuration tree, and `configurable`: callables that take one.

class Head:
    @configurable
    def __init__(self, *, width: int, depth: int = 2): ...

    @classmethod
    def from_config(cls, cfg):
        return {"width": cfg.MODEL.HEAD.WIDTH}

Head(width=8), Head(cfg) and Head(cfg, depth=3) are all valid, and so are configurations that
`LazyConfig` reads in place of cfg.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from detectron2.utils.file_io import PathManager
from fvcore.common.config import CfgNode as _FvcoreCfgNode


class CfgNode(_FvcoreCfgNode):
    """A tree of options with attribute access, type-checked merging and `_BASE_` inheritance.

    `merge_from_file`, `merge_from_list`, `dump`, `clone`, `freeze` and the rest come from fvcore
    and yacs. A file may be any address that `PathManager` opens.
    """

    @classmethod
    def _open_cfg(cls, filename):
        return PathManager.open(filename, "r")


global_cfg = CfgNode()  # what `set_global_cfg` put there


def get_cfg() -> CfgNode:
    """Return a fresh, unfrozen copy of the default configuration."""
    from detectron2.config.defaults import _C

    return _C.clone()


def set_global_cfg(cfg: CfgNode) -> None:
    """Let `global_cfg` have the options of `cfg`, and no others."""
    global_cfg.clear()
    global_cfg.update(cfg)


def configurable(init_func: Callable | None = None, *, from_config: Callable | None = None):
    """Return `init_func` extended with the ability to be called with a configuration.

    `@configurable` decorates the `__init__` of a class that has a classmethod `from_config`;
    `@configurable(from_config=function)` decorates a function. `from_config` takes the
    configuration as its first argument, named `cfg`, and returns the explicit arguments. Further
    arguments of the call go to `from_config` where it names them; the others override what
    it returns.
    """
    if init_func is not None:
        return _configurable_init(init_func)

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            if _has_cfg(args, kwargs):
                return function(**_explicit_arguments(from_config, args, kwargs))
            return function(*args, **kwargs)

        wrapped.from_config = from_config
        return wrapped

    return decorate


def _configurable_init(init_func: Callable) -> Callable:
    @functools.wraps(init_func)
    def wrapped(self, *args, **kwargs):
        if _has_cfg(args, kwargs):
            args, kwargs = (), _explicit_arguments(type(self).from_config, args, kwargs)
        init_func(self, *args, **kwargs)

    return wrapped


def _has_cfg(args: tuple, kwargs: dict[str, Any]) -> bool:
    """Return whether a call passes a configuration, first or by the name `cfg`."""
    first = args[0] if args else kwargs.get("cfg")
    omegaconf = sys.modules.get("omegaconf")  # who has a DictConfig has imported it
    return isinstance(first, _FvcoreCfgNode) or (
        omegaconf is not None and isinstance(first, omegaconf.DictConfig)
    )


def _explicit_arguments(from_config: Callable, args: tuple, kwargs: dict) -> dict[str, Any]:
    """Return the keyword arguments for a call that was made with a configuration."""
    parameters = inspect.signature(from_config).parameters.values()
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return from_config(*args, **kwargs)
    known = {parameter.name for parameter in parameters}
    overrides = {name: value for name, value in kwargs.items() if name not in known}
    accepted = {name: value for name, value in kwargs.items() if name in known}
    return {**from_config(*args, **accepted), **overrides}
