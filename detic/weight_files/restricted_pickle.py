"""Reading pickles of weights without the ability of pickles to run code.

A pickle names the functions that rebuild its objects. Here the names are looked up in a fixed table
instead of being imported. The portable detectron2 has a reader like this for its own checkpointer,
but upstream detectron2 has none, and this project works with both.
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch

if TYPE_CHECKING:
    from pickle import Unpickler as UnpicklerInPython
else:
    # The compiled one allocates as much memory as an instruction of the pickle asks for.
    from pickle import _Unpickler as UnpicklerInPython


class RefusedImport(pickle.UnpicklingError):
    """A pickle names something that is neither an array, a tensor nor a plain container."""

    def __init__(self, wanted: str):
        super().__init__(f"it wants to import {wanted!r}")
        self.wanted = wanted


def load_restricted_pickle(file: BinaryIO) -> Any:
    """Return the content of a pickle made of plain containers, numpy arrays and tensors.

    Raises:
        RefusedImport: it refers to anything else.
    """
    # The oldest weight files were written by Python 2, with byte strings for names.
    return _Unpickler(file, encoding="latin1").load()


class Admitted:
    """A function that a pickle can call and not change.

    A pickle may set the attributes of whatever it has got hold of, with an instruction called
    BUILD; on a function, that would last as long as the process.
    """

    __slots__ = ("_function",)
    _function: Callable

    def __init__(self, function: Callable):
        object.__setattr__(self, "_function", function)

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it wants to change a function")


class _Unpickler(UnpicklerInPython):
    def find_class(self, module: str, name: str) -> Any:
        # numpy 2 renamed the package that its arrays refer to.
        key = f"{module}.{name}".replace("numpy._core.", "numpy.core.")
        if key not in _ADMITTED:
            raise RefusedImport(f"{module}.{name}")
        return _ADMITTED[key]


def _encode(text: str, encoding: str) -> bytes:
    """Return bytes that an old pickle protocol wrote as text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes bytes as {encoding!r}, expected 'latin1'")
    return text.encode(encoding)


def _empty_bytes() -> bytes:
    """Return what old pickle protocols build by calling ``bytes`` without arguments."""
    return b""


def _empty_array(*_unused: Any) -> np.ndarray:
    """Return an array that the following instruction of the pickle gives its shape and content."""
    return np.ndarray((0,), np.uint8)


def _no_array(*_unused: Any) -> None:
    """Stand for the type of arrays, which is named and never called: it would take any size."""
    raise pickle.UnpicklingError("it wants to make an array of nothing")


def _dtype(*args: Any) -> np.dtype:
    """Return a data type of one's own: what follows in the pickle may set its byte order."""
    return np.dtype(args[0], copy=True)


def _load_storage(data: bytes) -> Any:
    """Return a tensor's memory; torch's own function of this purpose would unpickle anything."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _rebuilder(reduced: Any) -> Callable:
    """Return numpy's rebuilding function: it has no public name, but arrays hand it out."""
    return reduced[0]


# By numpy's names before version 2. Arrays and numbers of the memory that the file has for them
NUMPY_PARTS = {
    "numpy.ndarray": Admitted(_no_array),
    "numpy.dtype": Admitted(_dtype),
    "numpy.core.multiarray._reconstruct": Admitted(_empty_array),
    "numpy.core.multiarray.scalar": Admitted(_rebuilder(np.float32(0).__reduce__())),
    "numpy.core.numeric._frombuffer": Admitted(_rebuilder(np.empty(1).__reduce_ex__(5))),
}

_ADMITTED = NUMPY_PARTS | {
    "collections.OrderedDict": OrderedDict,
    "_codecs.encode": Admitted(_encode),
    "__builtin__.bytes": Admitted(_empty_bytes),
    "torch.Size": torch.Size,
    "torch._utils._rebuild_tensor_v2": Admitted(torch._utils._rebuild_tensor_v2),
    "torch._utils._rebuild_parameter": Admitted(torch._utils._rebuild_parameter),
    "torch.storage._load_from_bytes": Admitted(_load_storage),
}
