"""What files of ``torch.save`` may name beside tensors: parts of numpy arrays, and records of training.

PyTorch builds objects only of classes in a table that it is given, here under names that are ours to
choose. Records of training are read over: what stands for them holds nothing and does nothing.
"""

from typing import Any

import numpy as np

from detic.weight_files.restricted_pickle import NUMPY_PARTS, Admitted

# Of the numbers that training programs write; what else a file holds is refused by name
_NUMBERS = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


class _LeftOut:
    """Stands for an object beside the weights."""

    __slots__ = ()

    def __new__(cls, *_unused: Any) -> "_LeftOut":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Forget what the object held."""


def _names_of(name: str) -> tuple[str, ...]:
    """Return the names that numpy has written for a part, before its version 2 and since."""
    return name, name.replace("numpy.core.", "numpy._core.")


# Functions and classes with the names under which files may ask for them
TORCH_GLOBALS: list[Any] = [
    *((part, alias) for name, part in NUMPY_PARTS.items() for alias in _names_of(name)),
    # mmengine's checkpoints: histories of losses, and the methods that summarise them, which such
    # pickles look up by getattr
    (_LeftOut, "mmengine.logging.history_buffer.HistoryBuffer"),
    (Admitted(_LeftOut), "builtins.getattr"),
    # PyTorch fills in objects of these classes. No file can name them: what files name has a dot
    *((type(np.dtype(name)), f"dtype {name}") for name in _NUMBERS),
    (np.ndarray, "array"),
]
