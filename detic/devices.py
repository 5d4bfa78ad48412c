"""The devices that models run on."""

import torch

from detic.errors import InputError


def choose_device(name: str | None) -> torch.device:
    """Return the device of a name; without a name, the GPU if there is one.

    Raises:
        InputError: there is no such device.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as e:
        raise InputError(f"unknown device {name!r}; choose cpu, cuda or cuda:N") from e
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device {name!r} is not there: {torch.cuda.device_count()} GPUs are; choose cpu or "
            "another GPU"
        )
    if device.type not in ("cpu", "cuda"):
        _try(device)
    return device


def _try(device: torch.device) -> None:
    """Raise if nothing can be computed on a device, as PyTorch was built without it."""
    try:
        torch.zeros(1, device=device).tolist()
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise InputError(
            f"device '{device}' cannot be used here ({reason}); choose cpu, cuda or cuda:N"
        ) from error
