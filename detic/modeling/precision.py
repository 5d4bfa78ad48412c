"""Number formats that a detector computes in."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from detic.errors import InputError, unknown_choice


@dataclass(frozen=True)
class Precision:
    """Formats of matrix products and convolutions in inference; None: float32.

    Whatever they are, classes are compared in float32, and boxes and scores have it.
    """

    backbone: torch.dtype | None = None
    heads: torch.dtype | None = None  # those of proposals, boxes and masks


FP32 = Precision()

PRECISIONS = {
    "fp32": FP32,
    "fp16": Precision(backbone=torch.float16),  # as the released models were trained
    "bf16": Precision(backbone=torch.bfloat16, heads=torch.bfloat16),
}


def choose_precision(name: str, device: torch.device) -> Precision:
    """Return the precision of a name.

    Raises:
        InputError: there is none of this name, or it gains nothing on the device.
    """
    if name not in PRECISIONS:
        raise unknown_choice("precision", name, PRECISIONS)
    if name == "fp16" and device.type != "cuda":
        raise InputError("half precision needs a GPU; leave it out, or choose device cuda")
    if name == "bf16":
        _check_bfloat16(device)
    return PRECISIONS[name]


def computing_in(dtype: torch.dtype | None, device: torch.device) -> AbstractContextManager:
    """Return a context of automatic mixed precision, or one that changes nothing without a dtype."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def _check_bfloat16(device: torch.device) -> None:
    """Raise if a device does not multiply numbers in bfloat16."""
    if device.type == "cuda":
        found = torch.cuda.get_device_name(device)
        has_it = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        units = ("avx512_bf16", "amx_tile")
        found = f"this CPU, of level {torch.backends.cpu.get_cpu_capability()},"
        has_it = any(getattr(torch.cpu, f"_is_{unit}_supported", bool)() for unit in units)
    else:
        found, has_it = f"device {device}", False
    if not has_it:
        raise InputError(
            f"precision bf16 needs a CPU with AVX512-BF16 or AMX, or a GPU that computes in bfloat16; "
            f"{found} does not; choose fp32"
        )
