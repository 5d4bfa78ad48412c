"""Pickles cannot change what they are read with."""

import io
import pickle

import numpy as np
import pytest
import torch

from detic.weight_files.restricted_pickle import load_restricted_pickle

FUNCTIONS = [
    "torch._utils\n_rebuild_tensor_v2",
    "torch._utils\n_rebuild_parameter",
    "torch.storage\n_load_from_bytes",
    "_codecs\nencode",
    "__builtin__\nbytes",
    "numpy.core.multiarray\n_reconstruct",
    "numpy.core.multiarray\nscalar",
    "numpy.core.numeric\n_frombuffer",
    "numpy\ndtype",
]
CLASSES = ["numpy\nndarray", "torch\nSize", "collections\nOrderedDict"]
# BUILD with attributes, and with what pickle sets one by one
STATES = [b"}X\x01\x00\x00\x00aK\x01s", b"N}X\x01\x00\x00\x00aK\x01s\x86"]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", FUNCTIONS + CLASSES)
def test_functions_and_classes_cannot_be_changed(name, state):
    content = b"\x80\x02c" + name.encode() + b"\n" + state + b"b."
    with pytest.raises((pickle.UnpicklingError, TypeError, AttributeError)):
        load_restricted_pickle(io.BytesIO(content))
    assert not hasattr(torch._utils._rebuild_tensor_v2, "a")
    assert not hasattr(torch.Size, "a")


def test_the_byte_order_of_numpy_stays():
    build = b"(K\x03X\x01\x00\x00\x00>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb."
    content = b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85R" + build
    assert load_restricted_pickle(io.BytesIO(content)) == np.dtype(">f8")
    assert np.dtype("f8").byteorder == "="


def test_containers_and_tensors_keep_their_attributes():
    state = torch.nn.Linear(2, 3).state_dict()  # an OrderedDict with an attribute
    found = load_restricted_pickle(io.BytesIO(pickle.dumps(state, protocol=2)))
    assert found._metadata == state._metadata
    assert torch.equal(found["weight"], state["weight"])
