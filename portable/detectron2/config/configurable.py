"""`configurable`: one callable that takes either explicit arguments or a configuration.

class Head:
    @configurable
    def __init__(self, *, width: int, depth: int = 2): ...

    @classmethod
    def from_config(cls, cfg):
        return {"width": cfg.MODEL.HEAD.WIDTH}

Head(width=8), Head(cfg) and Head(cfg, depth=3) are all valid.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from fvcore.common.config import CfgNode as _FvcoreCfgNode


def configurable(init_func: Callable | None = None, *, from_config: Callable | None = None):
    """Returns `init_func` extended with the ability to be called with a configuration.

    `@configurable` decorates the `__init__` of a class that has a classmethod `from_config`;
    `@configurable(from_config=function)` decorates a function. `from_config` takes the
    configuration as its first argument, named `cfg`, and returns the explicit arguments. Further
    arguments of the call go to `from_config` where it names them; the others override what
    it returns.

    Raises:
        TypeError: `from_config` is missing or does not take `cfg` first.
    """
    if init_func is not None:
        return _configurable_init(init_func)
    if from_config is None:
        return configurable
    _check_from_config(from_config, "the function decorated with @configurable")

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
    if not inspect.isfunction(init_func) or init_func.__name__ != "__init__":
        raise TypeError(
            f"@configurable without arguments decorates __init__ of a class, not {init_func}; "
            "decorate functions with @configurable(from_config=...)"
        )

    @functools.wraps(init_func)
    def wrapped(self, *args, **kwargs):
        if not _has_cfg(args, kwargs):
            init_func(self, *args, **kwargs)
            return
        from_config = getattr(type(self), "from_config", None)
        _check_from_config(from_config, f"class '{type(self).__name__}'")
        if not inspect.ismethod(from_config):
            raise TypeError(f"'{type(self).__name__}.from_config' must be a classmethod")
        init_func(self, **_explicit_arguments(from_config, args, kwargs))

    return wrapped


def _has_cfg(args: tuple, kwargs: dict[str, Any]) -> bool:
    """Returns whether a call passes a configuration, first or by the name `cfg`."""
    first = args[0] if args else kwargs.get("cfg")
    return isinstance(first, _FvcoreCfgNode)


def _check_from_config(from_config: Callable | None, owner: str) -> None:
    if from_config is None:
        raise TypeError(f"{owner} is called with a configuration but has no 'from_config'")
    parameters = list(inspect.signature(from_config).parameters)
    if not parameters or parameters[0] != "cfg":
        raise TypeError(
            f"'from_config' of {owner} takes ({', '.join(parameters)}); "
            "its first argument must be named 'cfg'"
        )


def _explicit_arguments(from_config: Callable, args: tuple, kwargs: dict) -> dict[str, Any]:
    """Returns the keyword arguments for a call that was made with a configuration."""
    parameters = inspect.signature(from_config).parameters.values()
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return from_config(*args, **kwargs)
    known = {parameter.name for parameter in parameters}
    overrides = {name: value for name, value in kwargs.items() if name not in known}
    accepted = {name: value for name, value in kwargs.items() if name in known}
    return {**from_config(*args, **accepted), **overrides}
