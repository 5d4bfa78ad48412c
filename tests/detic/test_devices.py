"""Names of devices."""

import pytest
import torch

from detic.devices import choose_device
from detic.errors import InputError


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpu", "unknown device 'gpu'; choose cpu, cuda or cuda:N"),
        ("cuda:99", "'cuda:99' is not there"),
        ("cuda:-1", "unknown device 'cuda:-1'"),
        ("meta", "device 'meta' cannot be used here .*; choose cpu, cuda or cuda:N"),
        ("hpu", "device 'hpu' cannot be used here .*; choose cpu, cuda or cuda:N"),
    ],
)
def test_devices_that_cannot_be_used_are_refused(name, message):
    with pytest.raises(InputError, match=message) as caught:
        choose_device(name)
    assert len(str(caught.value)) < 300


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="has this device")
def test_a_device_that_torch_was_built_without_is_refused():
    with pytest.raises(InputError, match="device 'mps' cannot be used here"):
        choose_device("mps")


def test_the_gpu_is_the_default_where_there_is_one():
    assert choose_device(None).type == ("cuda" if torch.cuda.is_available() else "cpu")
