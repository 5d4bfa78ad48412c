"""A pretended device that counts how often the host waits for it.

Tensors of the device are computed on the CPU, but they say that they are elsewhere. So code takes
the paths that it takes on a GPU, and mixing devices is an error. What would make the host wait
there is seen: reading values back, and results whose size depends on values.
"""

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

ROOT = Path(__file__).resolve().parents[1]
CPU = torch.device("cpu")
DEVICE = torch.device("lazy", 0)  # a type that torch knows and no machine has

# How often these wait: the size of their result depends on values, or they check values.
_WAITS = {
    "aten::_local_scalar_dense": 1,
    "aten::nonzero": 1,
    "aten::masked_select": 1,
    "aten::_unique": 1,
    "aten::_unique2": 1,
    "aten::unique_dim": 1,
    "aten::unique_consecutive": 1,
    "aten::bincount": 1,
    "aten::equal": 1,
    "aten::multinomial": 2,  # are all weights finite, is one positive
    "torchvision::nms": 1,
}
_INDEXING = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")
_COPIES = ("aten::_to_copy", "aten::copy_")


class DeviceTensor(torch.Tensor):
    """A tensor that says it is on the device."""

    on_cpu: torch.Tensor

    @staticmethod
    def __new__(cls, on_cpu: torch.Tensor):
        tensor = torch.Tensor._make_wrapper_subclass(
            cls,
            on_cpu.size(),
            strides=on_cpu.stride(),
            storage_offset=on_cpu.storage_offset(),
            dtype=on_cpu.dtype,
            device=DEVICE,
        )
        tensor.on_cpu = on_cpu
        return tensor

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError("tensors of the pretended device need pretended_device() around them")


class Waits:
    """How often the host waited for the device, and how often it copied to it, by place."""

    def __init__(self) -> None:
        self.waits: Counter[str] = Counter()
        self.copies: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return self.waits.total()

    def table(self) -> str:
        """Return a line for each place in the code."""
        rows = [f"{n:4d} waits   {place}" for place, n in self.waits.most_common()]
        return "\n".join(
            rows + [f"{n:4d} copies  {place}" for place, n in self.copies.most_common()]
        )


@contextlib.contextmanager
def pretended_device() -> Iterator[Waits]:
    """Make ``DEVICE`` usable, and yield what is counted meanwhile."""
    waits, autocast = Waits(), torch.autocast

    def cpu_autocast(device_type, *args, **kwargs):
        return autocast("cpu", *args, **kwargs)

    future = torch.__future__
    overwrites = future.get_overwrite_module_params_on_conversion()
    future.set_overwrite_module_params_on_conversion(True)
    try:
        with mock.patch("torch.autocast", cpu_autocast), _Methods(waits), _Operators(waits):
            yield waits
    finally:
        future.set_overwrite_module_params_on_conversion(overwrites)


class _Methods(TorchFunctionMode):
    """What torch does for its own devices without calling an operator."""

    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self._waits = waits

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        first = args[0] if args else None
        if func is torch.Tensor.tolist and isinstance(first, DeviceTensor):
            self._waits.waits[_place("tolist")] += 1
            return first.on_cpu.tolist()
        if func is torch.Tensor.new_tensor:
            kwargs = {"dtype": first.dtype, "device": first.device} | kwargs
            func, args = torch.tensor, args[1:]
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = torch.device(kwargs.pop("device"))
            return func(*args, **kwargs).to(device)
        return func(*args, **kwargs)


class _Operators(TorchDispatchMode):
    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self._waits = waits

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        ours = {id(x.on_cpu): x for x in tensors if isinstance(x, DeviceTensor)}
        hosts = [x for x in tensors if not isinstance(x, DeviceTensor)]
        name = func._schema.name
        device = kwargs.get("device")
        if device is not None:
            to_device = torch.device(device).type == DEVICE.type
        else:
            to_device = isinstance(args[0], DeviceTensor) if name in _COPIES else bool(ours)
        self._count(name, args, kwargs, bool(ours), hosts, to_device)
        result = func(*tree_map(_without_device, args), **tree_map(_without_device, kwargs))
        if not to_device:
            return result

        def on_device(x):
            if not isinstance(x, torch.Tensor):
                return x
            return ours[id(x)] if id(x) in ours else DeviceTensor(x)  # in place: its argument

        return tree_map(on_device, result)

    def _count(self, name: str, args, kwargs, has_ours, hosts: list, to_device: bool) -> None:
        if name in _COPIES:
            if has_ours and not to_device:
                self._waits.waits[_place("copy to the host")] += 1
            elif hosts and to_device:
                self._waits.copies[_place("copy to the device")] += 1
        elif has_ours:
            num_waits = _WAITS.get(name, 0)
            if name in _INDEXING:
                num_waits = sum(
                    index.dtype in (torch.bool, torch.uint8)
                    for index in args[1]
                    if isinstance(index, DeviceTensor)
                )
            elif name == "aten::repeat_interleave":
                num_waits = int(kwargs.get("output_size") is None)
            elif any(x.dim() > 0 for x in hosts):
                raise RuntimeError(f"{name} mixes tensors of the host and of the device")
            if num_waits:
                self._waits.waits[_place(name)] += num_waits


def _without_device(x):
    if isinstance(x, torch.device):
        return CPU
    return x.on_cpu if isinstance(x, DeviceTensor) else x


def _place(what: str) -> str:
    """Return the line of the repository that is being executed, and what it does."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and path != Path(__file__):
            return f"{path.relative_to(ROOT)}:{frame.f_lineno} {frame.f_code.co_name}: {what}"
        frame = frame.f_back
    return what
