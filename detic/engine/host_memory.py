"""Copies of a training's state in the memory of the machine, while the training goes on."""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_MEMORY = Path("/proc/meminfo")
_CONTAINER = Path("/sys/fs/cgroup")  # the limits of a container, as its processes see them

_Storages = dict[tuple[torch.device, int], torch.UntypedStorage]


def host_copy(state: Any) -> Any:
    """Return a copy of a state that shares nothing with it; its tensors are on the CPU.

    Tensors that share memory do so in the copy.

    Args:
        state: mappings, lists and tuples of tensors and other values.
    """
    return _copied(state, {})


def _copied(value: Any, storages: _Storages) -> Any:
    if isinstance(value, Tensor):
        return _copied_tensor(value.detach(), storages)
    if isinstance(value, dict):
        twin = copy.copy(value)  # with what PyTorch notes on the weights of a model
        twin.update((key, _copied(item, storages)) for key, item in value.items())
        return twin
    if type(value) in (list, tuple):
        return type(value)(_copied(item, storages) for item in value)
    return copy.deepcopy(value)


def _copied_tensor(tensor: Tensor, storages: _Storages) -> Tensor:
    if tensor.layout is not torch.strided:
        return tensor.cpu().clone()
    storage = tensor.untyped_storage()
    key = tensor.device, storage.data_ptr()
    if key not in storages or not storage.nbytes():
        storages[key] = storage.clone() if tensor.device.type == "cpu" else storage.cpu()
    twin = torch.empty(0, dtype=tensor.dtype)
    return twin.set_(storages[key], tensor.storage_offset(), tensor.size(), tensor.stride())


def bytes_of_tensors(state: Any) -> int:
    """Return the memory that ``host_copy`` of a state needs for its tensors, in bytes."""
    storages = {
        (tensor.device, tensor.untyped_storage().data_ptr()): tensor.untyped_storage().nbytes()
        for tensor in _tensors(state)
        if tensor.layout is torch.strided
    }
    return sum(storages.values())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
        return
    items = value.values() if isinstance(value, Mapping) else value
    for item in items if isinstance(value, Mapping | list | tuple) else ():
        yield from _tensors(item)


def available_bytes() -> int | None:
    """Return how much memory the system, or the container, has left; None: it does not say."""
    limits = [read() for read in (_left_to_machine, _left_to_container)]
    return min((limit for limit in limits if limit is not None), default=None)


def _left_to_machine() -> int | None:
    try:
        lines = _MEMORY.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvail")) * 1024
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _left_to_container() -> int | None:
    try:
        limit = int((_CONTAINER / "memory.max").read_text())  # "max": there is none
        used = int((_CONTAINER / "memory.current").read_text())
        parts = dict(map(str.split, (_CONTAINER / "memory.stat").read_text().splitlines()))
        return limit - used + int(parts["inactive_file"])  # which the system takes back
    except (OSError, ValueError, KeyError):
        return None
