"""Importing packages that ask for torch's compiler without loading it.

``import torchvision`` and ``import timm`` load ``torch._dynamo``, a third of a start of ours, for
functions that may never be called. Within ``compiler_put_off`` they get stand-ins, which load the
compiler when they are called.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial, wraps
from importlib import import_module
from inspect import isfunction
from types import ModuleType
from typing import Any

import torch

COMPILER = "torch._dynamo"
UTILITIES = "torch._dynamo.utils"  # what torchvision.ops imports
_disable = torch.compiler.disable  # what timm decorates methods with


@contextmanager
def compiler_put_off() -> Iterator[None]:
    """Have imports within get stand-ins for what they want of torch's compiler."""
    if COMPILER in sys.modules:
        yield
        return
    stand_in = _Utilities(UTILITIES)
    sys.modules[UTILITIES] = stand_in
    vars(torch.compiler)["disable"] = _disable_when_called
    try:
        yield
    finally:
        vars(torch.compiler)["disable"] = _disable
        _remove(stand_in)


class _Utilities(ModuleType):
    """The compiler's utilities: one function, and the module itself for whoever wants others."""

    @staticmethod
    def is_compile_supported(device_type: str) -> bool:
        """Return whether torch can compile for a type of device."""
        return import_module(UTILITIES).is_compile_supported(device_type)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by Python's own imports
            raise AttributeError(name)
        _remove(self)
        return getattr(import_module(UTILITIES), name)


def _remove(stand_in: ModuleType) -> None:
    if sys.modules.get(UTILITIES) is stand_in:
        del sys.modules[UTILITIES]


def _disable_when_called(target: Any = None, *args, **options) -> Any:
    """Return what ``torch.compiler.disable`` does; for functions, it is made at the first call."""
    if target is None:
        return partial(_disable_when_called, *args, **options)
    if not isfunction(target):
        return _disable(target, *args, **options)
    disabled = cache(partial(_disable, target, *args, **options))

    @wraps(target)
    def call(*call_args, **call_options):
        return disabled()(*call_args, **call_options)

    return call
