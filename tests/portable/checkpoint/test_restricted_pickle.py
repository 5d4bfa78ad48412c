"""Pickles cannot change what they are read with."""

import pickle

import numpy as np
import pytest
import torch
from detectron2.checkpoint._restricted_pickle import _ADMITTED, load_restricted_pickle

NAMES = ["\n".join(name) for name in _ADMITTED]
# BUILD with attributes, and with what pickle sets one by one
STATES = [b"}X\x01\x00\x00\x00aK\x01s", b"N}X\x01\x00\x00\x00aK\x01s\x86"]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", NAMES)
def test_functions_and_classes_cannot_be_changed(tmp_path, name, state):
    path = tmp_path / "weights.pkl"
    path.write_bytes(b"\x80\x02c" + name.encode() + b"\n" + state + b"b.")
    with pytest.raises((pickle.UnpicklingError, TypeError, AttributeError)):
        load_restricted_pickle(str(path))
    assert not hasattr(torch._utils._rebuild_tensor_v2, "a")


def test_the_byte_order_of_numpy_stays(tmp_path):
    path = tmp_path / "weights.pkl"
    build = b"(K\x03X\x01\x00\x00\x00>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb."
    path.write_bytes(b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85R" + build)
    assert load_restricted_pickle(str(path)) == np.dtype(">f8")
    assert np.dtype("f8").byteorder == "="
