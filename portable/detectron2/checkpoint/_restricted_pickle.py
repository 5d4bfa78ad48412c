"""Reading of pickled weights without the ability of pickles to run arbitrary code."""

import collections
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

try:
    from numpy._core import multiarray  # the module that pickled arrays refer to
except ModuleNotFoundError:  # before numpy 2
    from numpy.core import multiarray


def load_restricted_pickle(path: str) -> Any:
    """Return the content of a pickle made of plain containers, numpy arrays and torch tensors.

    Raises:
        pickle.UnpicklingError: the file refers to anything else, which the message names.
    """
    with open(path, "rb") as f:
        # Python 2 wrote the oldest weight files, with names as byte strings.
        return _WeightUnpickler(f, encoding="latin1").load()


class _WeightUnpickler(pickle._Unpickler):
    """Admits the functions that rebuild arrays and tensors, and nothing more.

    It is the one in Python: the compiled one allocates whatever memory an instruction asks for.
    """

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core", "numpy._core")  # its name before numpy 2
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(
                f"the file refers to '{module}.{name}', which is neither an array nor a tensor and "
                "might run code; convert it, in an environment that trusts it, to a .pth file"
            )
        return _ADMITTED[module, name]


class _Fixed:
    """A function that a pickle can call and not change.

    The instruction BUILD sets attributes of whatever a pickle got hold of. On the function itself
    they would stay as long as the process.
    """

    __slots__ = ("_function",)

    def __init__(self, function: Callable):
        object.__setattr__(self, "_function", function)

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("the file wants to change a function")


def _no_array(*_unused: Any) -> None:
    raise pickle.UnpicklingError("the file wants to make an array of any size")


def _empty_array(*_unused: Any) -> np.ndarray:
    """Return an array that gets its shape and content from what follows in the pickle."""
    return np.ndarray((0,), np.uint8)


def _dtype(*args: Any) -> np.dtype:
    """Return a data type of one's own: what follows in the pickle may set its byte order."""
    return np.dtype(args[0], copy=True)


def _load_storage(data: bytes) -> Any:
    """Stand for the loader of a tensor's memory, which itself reads a pickle."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


_ADMITTED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    # How old pickle protocols write the bytes of an array; the encoding is always latin1.
    ("_codecs", "encode"): _Fixed(lambda text, encoding: text.encode("latin1")),
    ("numpy", "ndarray"): _Fixed(_no_array),  # named as a type, never called
    ("numpy", "dtype"): _Fixed(_dtype),
    ("numpy._core.multiarray", "_reconstruct"): _Fixed(_empty_array),
    ("numpy._core.multiarray", "scalar"): _Fixed(multiarray.scalar),
    ("torch._utils", "_rebuild_tensor_v2"): _Fixed(torch._utils._rebuild_tensor_v2),
    ("torch.storage", "_load_from_bytes"): _Fixed(_load_storage),
}
