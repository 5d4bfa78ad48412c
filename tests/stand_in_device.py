"""An accelerator for machines without one: its tensors know their device and compute on the CPU.

Code that mixes devices fails on it as on a GPU, and what a GPU would make the host wait for is
counted, by place.

    with StandInDevice() as device:
        model.to(DEVICE)
        model(batch)
    assert device.waits.total() <= 12
"""

import traceback
from collections import Counter
from types import TracebackType
from typing import Any, ClassVar

import pytest
import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

NAME = "standin"
_register = getattr(backend_registration, "_setup_privateuseone_for_python_backend", None)
if torch.cuda.is_available():  # memory would be pinned for the stand-in
    _register = None
needs_stand_in = pytest.mark.skipif(
    _register is None, reason="there is a GPU, or torch knows no devices written in Python"
)

# Operators that a GPU reads its own results back for
_WAITING = {
    *("_local_scalar_dense", "nonzero", "masked_select", "unique", "_unique2", "unique_dim"),
    *("unique_consecutive", "is_nonzero", "equal", "bincount", "nms"),
}
_INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}
_OWN_CODE = ("/detic/", "/centernet/", "/detectron2/", "/fvcore/")


class OnDevice(torch.Tensor):
    """A tensor that says it is on the stand-in; ``inner`` holds its values."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "OnDevice":
        wrapper = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
        )
        wrapper.inner = inner
        return wrapper

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return StandInDevice.active().run(func, args, kwargs or {})

    def tolist(self) -> list:
        """Return the values, as PyTorch reads them back for other devices."""
        return self.cpu().tolist()

    def numpy(self, **_: Any):
        """Refuse, as tensors on devices do."""
        raise TypeError(f"a tensor on {NAME} has no array; copy it to the CPU first")

    def __repr__(self, **_: Any) -> str:
        return f"OnDevice({self.inner!r})"


class StandInDevice(TorchDispatchMode):
    """The device while it is there.

    Attributes:
        waits: places where the host waits for the device, and how often.
        uploads: places from which something is copied to the device at once, not in its turn. A GPU
            does first what it was told before, and the host waits for it.
    """

    _active: ClassVar[list["StandInDevice"]] = []  # one stack for all

    def __init__(self):
        super().__init__()
        self.waits: Counter[str] = Counter()
        self.uploads: Counter[str] = Counter()

    @classmethod
    def active(cls) -> "StandInDevice":
        """Return the device in use."""
        return cls._active[-1]

    def __enter__(self) -> "StandInDevice":
        self._active.append(self)
        self._swap = torch.__future__.get_swap_module_params_on_conversion()
        torch.__future__.set_swap_module_params_on_conversion(True)
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        torch.__future__.set_swap_module_params_on_conversion(self._swap)
        self._active.pop()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return self.run(func, args, kwargs or {})

    def run(self, func, args: tuple, kwargs: dict[str, Any]):
        """Return what an operator returns, on the device where its tensors are."""
        name = func.overloadpacket.__name__
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        wrapped = [t for t in tensors if isinstance(t, OnDevice)]
        target = kwargs.get("device")
        to_device = target is not None and torch.device(target).type == NAME
        if wrapped:
            self._count_or_refuse(name, args, kwargs, len(wrapped) < len(tensors), to_device)
        elif to_device and name == "_to_copy" and not kwargs.get("non_blocking"):
            self.uploads[_place(name)] += 1
        if to_device:
            kwargs = kwargs | {"device": torch.device("cpu")}
        result = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
        stays = to_device or (bool(wrapped) and target is None)
        if not stays or name == "_local_scalar_dense":
            return result
        known = {id(t.inner): t for t in wrapped}  # of operators that work in place
        return tree_map(lambda value: _on_device(value, known), result)

    def _count_or_refuse(
        self, name: str, args: tuple, kwargs: dict[str, Any], is_mixed: bool, to_device: bool
    ) -> None:
        """Count what the host waits for; tensors of both devices are an error."""
        if is_mixed and any(
            t.dim() and not isinstance(t, OnDevice) for t in _tensors(args, kwargs)
        ):
            if name == "copy_":
                (self.uploads if isinstance(args[0], OnDevice) else self.waits)[_place(name)] += 1
                return
            if name != "index" or not isinstance(args[0], OnDevice):
                raise RuntimeError(
                    f"{name} mixes tensors of the CPU and of a device: {_place(name)}"
                )
            self.uploads[_place(name)] += 1
        by_mask = name in _INDEXING and any(
            isinstance(i, torch.Tensor) and i.dtype == torch.bool for i in args[1]
        )
        of_unknown_length = name == "repeat_interleave" and kwargs.get("output_size") is None
        leaves = name == "_to_copy" and kwargs.get("device") is not None and not to_device
        leaves &= not kwargs.get("non_blocking")  # its reader waits for an event
        if name in _WAITING or by_mask or of_unknown_length or leaves:
            self.waits[_place(name)] += 1
        elif name == "multinomial":  # are all weights finite, is one positive
            self.waits[_place(name)] += 2


def _tensors(*values: Any) -> list[torch.Tensor]:
    return [t for t in tree_leaves(values) if isinstance(t, torch.Tensor)]


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, OnDevice) else value


def _on_device(value: Any, known: dict[int, OnDevice]) -> Any:
    if not isinstance(value, torch.Tensor) or isinstance(value, OnDevice):
        return value
    return known[id(value)] if id(value) in known else OnDevice(value)


def _place(name: str) -> str:
    """Return an operator and the line of ours that asked for it."""
    frames = [f for f in traceback.extract_stack() if any(p in f.filename for p in _OWN_CODE)]
    if not frames:
        return name
    last = frames[-1]
    return f"{name} at {'/'.join(last.filename.split('/')[-3:])}:{last.lineno}: {last.line}"


class _Event:
    """A mark in the work of the device, which is done at once."""

    def record(self) -> None:
        """Set the mark."""

    def synchronize(self) -> None:
        """Wait until the device has come to it."""


class _Backend:
    """What PyTorch asks of the module of a device."""

    Event = _Event

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return bool(StandInDevice._active)  # the other tests run on the CPU

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return int(self.is_available())

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        """Random numbers are those of the CPU."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]


def _empty_strided(size, stride, *, dtype=None, **_: Any) -> OnDevice:
    return OnDevice(torch.empty_strided(size, stride, dtype=dtype))


def _empty(size, *, dtype=None, **_: Any) -> OnDevice:
    return OnDevice(torch.empty(size, dtype=dtype))


def _copy_from(source: torch.Tensor, target: torch.Tensor, non_blocking: bool = False):
    device = StandInDevice.active()
    counter = device.uploads if isinstance(target, OnDevice) else device.waits
    counter[_place("copy")] += 1
    _inner(target).copy_(_inner(source))
    return target


def _registered() -> torch.device:
    """Return the device, made known to PyTorch.

    Tensors from Python's numbers are made below the dispatch mode, by these three operators.
    """
    assert _register is not None
    _register(NAME, backend_module=_Backend())
    for operator, kernel in (
        ("empty_strided", _empty_strided),
        ("empty.memory_format", _empty),
        ("_copy_from", _copy_from),
    ):
        _KERNELS.impl(operator, kernel, "PrivateUse1")
    return torch.device(NAME, 0)


_KERNELS = torch.library.Library("aten", "IMPL")
DEVICE = torch.device("cpu") if _register is None else _registered()
