"""The stand-in for an accelerator: what it counts and what it refuses."""

import pytest
import torch
from torch import nn

from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in

pytestmark = needs_stand_in


def test_tensors_stay_on_the_device_and_compute_as_on_the_cpu():
    with StandInDevice():
        x = torch.arange(6.0, device=DEVICE).reshape(2, 3)
        assert x.device == DEVICE
        assert (x @ x.t()).device == DEVICE
        assert (x @ x.t()).cpu().tolist() == [[5.0, 14.0], [14.0, 50.0]]
        assert x.new_tensor([1.0, 2.0]).device == DEVICE


def test_gradients_reach_a_model_on_the_device():
    layer = nn.Linear(2, 1, bias=False)
    with StandInDevice():
        layer.to(DEVICE)
        layer(torch.tensor([[3.0, 4.0]], device=DEVICE)).sum().backward()
        assert layer.weight.grad.device == DEVICE
        assert layer.weight.grad.tolist() == [[3.0, 4.0]]


def test_devices_do_not_mix():
    with StandInDevice():
        on_device = torch.ones(2, device=DEVICE)
        on_device + torch.tensor(1.0)  # a number may be anywhere
        with pytest.raises(RuntimeError, match="add mixes tensors of the CPU and of a device"):
            on_device + torch.ones(2)
        with pytest.raises(TypeError, match="copy it to the CPU first"):
            on_device.numpy()


@pytest.mark.parametrize(
    ("operation", "waits"),
    [
        (lambda x: x + x, 0),
        (lambda x: torch.where(x > 0, x, -x), 0),
        (lambda x: x.topk(2).values, 0),
        (lambda x: x[torch.tensor([0, 1], device=DEVICE)], 0),
        (lambda x: x.sum().item(), 1),
        (lambda x: bool((x > 0).all()), 1),
        (lambda x: (x > 0).nonzero(), 1),
        (lambda x: x[x > 0], 1),
        (lambda x: x.unique(), 1),
        (lambda x: x.cpu(), 1),
        (lambda x: x.tolist(), 1),
        (lambda x: x.to("cpu").numpy(), 1),
        (lambda x: torch.repeat_interleave(x, x.long()), 1),
        (lambda x: torch.repeat_interleave(x, x.long(), output_size=3), 0),
    ],
)
def test_what_the_host_waits_for_is_counted(operation, waits):
    with StandInDevice() as device:
        x = torch.tensor([1.0, 2.0], device=DEVICE)
        device.waits.clear()
        operation(x)
        assert device.waits.total() == waits, device.waits


def test_copies_to_the_device_are_counted():
    with StandInDevice() as device:
        torch.ones(3).to(DEVICE)
        torch.tensor([1, 2], device=DEVICE)
        torch.zeros(3, device=DEVICE)  # filled there
        assert device.uploads.total() == 2
        assert device.waits.total() == 0
