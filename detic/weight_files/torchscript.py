"""Reading the tensors of a TorchScript archive without running the code that it holds.

An archive of ``torch.jit.save`` is a zip file. ``data.pkl`` has the modules, ``data/`` the memory of
their tensors, ``code/`` what methods do. Here the modules become plain objects that have attributes
and can do nothing.
"""

import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detic.weight_files.restricted_pickle import Admitted, RefusedImport, UnpicklerInPython

MARK = "/constants.pkl"  # the file that no other archive of torch has, below the archive's name
MAX_MODULES = 100_000  # more, and modules contain themselves

_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class _ScriptObject:
    """A module, or another object of a class that the archive defines."""

    class_name = ""

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):  # what the class's own __setstate__ would work on
            raise RefusedImport(f"{self.class_name}.__setstate__")
        self.attributes = state


def is_torchscript(file: Path) -> bool:
    """Return whether a file is an archive of ``torch.jit.save``."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith(MARK) for name in archive.namelist())


def read_torchscript(file: Path) -> dict[str, Tensor]:
    """Return the parameters and buffers of a scripted module by name, as its state dict has them.

    Raises:
        RefusedImport: an object would have to be rebuilt by code.
        pickle.UnpicklingError, KeyError, ValueError, RuntimeError: it is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        root = next(n for n in archive.namelist() if n.endswith(MARK)).removesuffix(MARK)
        with archive.open(f"{root}/data.pkl") as data:
            module = _Unpickler(data, archive, root).load()
        names_of = cache(lambda class_name: _state_names(archive, root, class_name))
        return {
            f"{path}{name}": module.attributes[name]
            for path, module in _modules(module)
            for name in names_of(module.class_name)
            if isinstance(module.attributes.get(name), Tensor)
        }


class _Unpickler(UnpicklerInPython):
    def __init__(self, data, archive: zipfile.ZipFile, root: str):
        super().__init__(data)
        self._archive = archive
        self._root = root
        self._memories: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return type(name, (_ScriptObject,), {"class_name": f"{module}.{name}"})
        if module == "torch" and name in _DTYPES:
            return name
        if f"{module}.{name}" not in _ADMITTED:
            raise RefusedImport(f"{module}.{name}")
        return _ADMITTED[f"{module}.{name}"]

    def persistent_load(self, pid: tuple) -> Tensor:
        """Return the memory of tensors, (number of elements,)."""
        _, kind, key, _device, count = pid
        if key not in self._memories:
            content = bytearray(self._archive.read(f"{self._root}/data/{key}"))
            dtype = _DTYPES[kind]
            memory = torch.frombuffer(content, dtype=dtype, count=count) if count else None
            self._memories[key] = torch.empty(0, dtype=dtype) if memory is None else memory
        return self._memories[key]


def _rebuild_tensor(memory: Tensor, offset: int, size: list, stride: list, *_unused) -> Tensor:
    return memory.as_strided(size, stride, offset)  # which checks that it stays inside


def _as_list(values: list) -> list:
    return values


def _without_tag(value: Any, _type_name: str) -> Any:
    return value


_ADMITTED = {
    "collections.OrderedDict": OrderedDict,  # of a tensor's hooks
    "torch._utils._rebuild_tensor_v2": Admitted(_rebuild_tensor),
    "torch.jit._pickle.build_intlist": Admitted(_as_list),
    "torch.jit._pickle.build_doublelist": Admitted(_as_list),
    "torch.jit._pickle.build_boollist": Admitted(_as_list),
    "torch.jit._pickle.build_tensorlist": Admitted(_as_list),
    "torch.jit._pickle.restore_type_tag": Admitted(_without_tag),
}


def _modules(root: _ScriptObject) -> Iterator[tuple[str, _ScriptObject]]:
    """Yield a module and those inside it, each after its path: "" or one that ends with a dot."""
    waiting = [("", root)]
    for _ in range(MAX_MODULES):
        if not waiting:
            return
        path, module = waiting.pop()
        yield path, module
        for name, value in module.attributes.items():
            if isinstance(value, _ScriptObject):
                waiting.append((f"{path}{name}.", value))
    raise pickle.UnpicklingError(f"it has more than {MAX_MODULES} modules, or one inside itself")


def _state_names(archive: zipfile.ZipFile, root: str, class_name: str) -> list[str]:
    """Return the names of parameters and buffers of a class; its other tensors are no state."""
    *modules, name = class_name.split(".")
    try:
        source = archive.read(f"{root}/code/{'/'.join(modules)}.py").decode()
    except KeyError:  # of an object that is no module
        return []
    _, _, after = source.partition(f"class {name}(Module):\n")
    of_class = re.split(r"^class ", after, maxsplit=1, flags=re.MULTILINE)[0]
    lists = re.findall(r"^  __(?:parameters|buffers)__ = \[(.*)\]", of_class, re.MULTILINE)
    return re.findall(r'"([^"]*)"', ",".join(lists))
