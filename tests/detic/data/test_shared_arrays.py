"""Arrays in a file without a name; test_records.py reads them from other processes."""

import os
import tempfile

import numpy as np
import pytest

from detic.data.shared_arrays import ALIGNMENT, ArrayWriter


def written(**arrays):
    writer = ArrayWriter()
    for name, array in arrays.items():
        writer.add(name, array)
    return writer.finish()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int16).reshape(2, 3).T,  # not in the order of memory
        np.array([1.5, np.inf], np.float32),
        np.array(7),  # a single number
        np.zeros((0, 4)),  # empty
        np.array(["café", "x"]),
    ],
)
def test_arrays_keep_their_values_shapes_and_types(array):
    found = written(first=np.zeros(3, np.uint8), second=array)["second"]
    np.testing.assert_array_equal(found, array, strict=True)


def test_each_array_starts_aligned():
    arrays = written(a=np.zeros(3, np.uint8), b=np.ones(1), c=np.ones(9))
    starts = [place.offset for place in arrays.handle[1].values()]
    assert starts == [0, ALIGNMENT, 2 * ALIGNMENT]


def test_pieces_of_bytes_are_found_by_their_ends():
    writer = ArrayWriter()
    writer.add("before", np.zeros(1, np.uint8))
    writer.add_chunks("texts", [b"ab", b"", b"cde"])
    arrays = writer.finish()
    assert arrays["texts"].tobytes() == b"abcde"
    assert arrays["texts_ends"].tolist() == [2, 2, 5]


def test_nothing_can_be_added_to_finished_arrays():
    writer = ArrayWriter()
    writer.add("a", np.zeros(1))
    writer.finish()
    with pytest.raises(ValueError, match="closed file"):
        writer.add("b", np.zeros(1))


def test_an_unknown_name_is_a_key_error():
    arrays = written(a=np.zeros(1))
    assert "b" not in arrays
    with pytest.raises(KeyError, match="b"):
        arrays["b"]


def test_the_file_is_closed_with_the_last_reference():
    arrays = written(a=np.zeros(1))
    descriptor = int(os.path.basename(arrays.handle[0]))
    os.fstat(descriptor)
    del arrays
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_systems_without_files_in_memory_use_the_temporary_folder(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert written(a=np.arange(3))["a"].tolist() == [0, 1, 2]
    assert list(tmp_path.iterdir()) == []
