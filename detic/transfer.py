"""Copies to a GPU and from it that the host does not wait for.

A plain copy waits until the GPU has done all that it was told before.
"""

from collections.abc import Callable
from typing import Any

import torch
from detectron2.structures import Instances
from torch import Tensor


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Return ``tensor`` on ``device``, which fetches it when its turn comes."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()  # the system leaves it where it is until then
    return tensor.to(device, non_blocking=device.type != "mps")


def send_instances(instances: Instances, device: torch.device) -> Instances:
    """Return ``instances`` with the fields that have a device on ``device``."""
    return _with_tensors(instances, lambda tensor: send(tensor, device))


class Fetched:
    """A tensor, or instances, on its way to the CPU."""

    def __init__(self, value: Any):
        """``value``: a Tensor or Instances, whose fields are on one device."""
        self._arrival: Any = None  # an event of the device
        if isinstance(value, Tensor):
            self._value: Any = self._fetch(value)
        else:
            self._value = _with_tensors(value, self._fetch)

    def _fetch(self, tensor: Tensor) -> Tensor:
        device = tensor.device
        if device.type == "cpu":
            return tensor
        on_cpu = tensor.to("cpu", non_blocking=True)
        self._arrival = torch.get_device_module(device).Event()
        self._arrival.record()
        return on_cpu

    def get(self) -> Any:
        """Return it, as soon as it is there. Threads may ask."""
        if self._arrival is not None:
            self._arrival.synchronize()
        return self._value


def _with_tensors(instances: Instances, move: Callable[[Tensor], Tensor]) -> Instances:
    moved = {name: _moved(value, move) for name, value in instances.get_fields().items()}
    return Instances(instances.image_size, **moved)


def _moved(value: Any, move: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return move(value)
    if isinstance(getattr(value, "tensor", None), Tensor):  # boxes and bitmaps
        return type(value)(move(value.tensor))
    return value  # polygons have no device
