"""Reading of pickled weights without the ability of pickles to run arbitrary code."""

import collections
import io
import pickle
from typing import Any

import numpy as np
import torch
from numpy._core import multiarray  # the module that pickled arrays refer to


def load_restricted_pickle(path: str) -> Any:
    """Return the content of a pickle made of plain containers, numpy arrays and torch tensors.

    Raises:
        pickle.UnpicklingError: the file refers to anything else, which the message names.
    """
    with open(path, "rb") as f:
        # Python 2 wrote the oldest weight files, with names as byte strings.
        return _WeightUnpickler(f, encoding="latin1").load()


class _WeightUnpickler(pickle.Unpickler):
    """Admits the functions that rebuild arrays and tensors, and nothing more."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core", "numpy._core")  # its name before numpy 2
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(
                f"the file refers to '{module}.{name}', which is neither an array nor a tensor and "
                "might run code; convert it, in an environment that trusts it, to a .pth file"
            )
        return _ADMITTED[module, name]


def _load_storage(data: bytes) -> Any:
    """Stand for the loader of a tensor's memory, which itself reads a pickle."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


_ADMITTED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    # How old pickle protocols write the bytes of an array; the encoding is always latin1.
    ("_codecs", "encode"): lambda text, encoding: text.encode("latin1"),
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy._core.multiarray", "_reconstruct"): multiarray._reconstruct,
    ("numpy._core.multiarray", "scalar"): multiarray.scalar,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch.storage", "_load_from_bytes"): _load_storage,
}
