"""Reading of pickled weights without the ability of pickles to run arbitrary code."""

import collections
import io
import pickle
from typing import Any

import numpy as np
import torch
from numpy._core import multiarray, numeric  # the modules that pickled arrays refer to


def load_restricted_pickle(path: str) -> Any:
    """Returns the content of a pickle made of plain containers, numpy arrays and torch tensors.

    Raises:
        pickle.UnpicklingError: the file refers to anything else, which the message names.
    """
    with open(path, "rb") as f:
        # Python 2 wrote the oldest weight files, with names as byte strings.
        return _WeightUnpickler(f, path).load()


class _WeightUnpickler(pickle.Unpickler):
    """Admits the functions that rebuild arrays and tensors, and nothing more."""

    def __init__(self, file, path: str):
        super().__init__(file, encoding="latin1")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(
                f"'{self._path}' refers to '{module}.{name}', which is neither an array nor a "
                "tensor and might run code; convert the file, in an environment that trusts it, "
                "to a .pth file or to a pickle of numpy arrays by name"
            )
        return _ADMITTED[module, name]


def _encode_latin1(text: str, encoding: str) -> bytes:
    """Stands for `_codecs.encode`, by which old pickle protocols write the bytes of an array."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"unexpected text encoding '{encoding}' in a weight file")
    return text.encode("latin1")


def _load_storage(data: bytes) -> Any:
    """Stands for the loader of a tensor's memory, which itself reads a pickle."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


_ADMITTED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("_codecs", "encode"): _encode_latin1,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("torch", "Size"): torch.Size,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch.storage", "_load_from_bytes"): _load_storage,
}
for _package in ("numpy.core", "numpy._core"):  # before and since numpy 2
    _ADMITTED[f"{_package}.multiarray", "_reconstruct"] = multiarray._reconstruct
    _ADMITTED[f"{_package}.multiarray", "scalar"] = multiarray.scalar
    _ADMITTED[f"{_package}.numeric", "_frombuffer"] = numeric._frombuffer
