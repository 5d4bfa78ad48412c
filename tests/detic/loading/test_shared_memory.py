"""Arrays in a file without a name, and batches on their way between processes.

test_records.py reads such arrays from other processes.
"""

import multiprocessing
import os
import tempfile

import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances, PolygonMasks

from detic.loading.image_reader import UnreadableImage
from detic.loading.shared_memory import LARGE, pack_batch, unpack_batch
from detic.shared_arrays import ALIGNMENT, ArrayWriter


def example(side):
    instances = Instances((side, side))
    instances.gt_boxes = Boxes(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    instances.gt_masks = PolygonMasks([[np.arange(6.0)]])
    image = torch.arange(3 * side * side).to(torch.uint8).view(3, side, side)
    return {"image": image, "instances": instances, "file_name": "a.jpg"}


def same(first, second):
    return (
        torch.equal(first["image"], second["image"])
        and torch.equal(first["instances"].gt_boxes.tensor, second["instances"].gt_boxes.tensor)
        and first["file_name"] == second["file_name"]
    )


def send(connection, sides):
    torch.set_num_threads(1)  # as in the workers of a DataLoader: threads do not survive a fork
    connection.send(pack_batch(example(side) for side in sides))
    connection.recv()


def test_a_batch_arrives_from_another_process():
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=send, args=(there, [120, 3]))
    process.start()
    assert here.poll(60)
    received = unpack_batch(here.recv())
    here.send("received")
    process.join()
    assert all(same(a, example(side)) for a, side in zip(received, [120, 3], strict=True))


def test_large_arrays_travel_apart():
    packed = pack_batch([example(120), example(3)])
    assert len(packed.items[0].structure) < LARGE
    assert [size for _, size in packed.items[0].places] == [3 * 120 * 120]
    assert packed.items[1].places == ()
    assert same(unpack_batch(packed)[0], example(120))


def test_arrays_start_where_any_type_may():
    batch = [torch.zeros(LARGE + 1, dtype=torch.uint8), torch.ones(LARGE, dtype=torch.float64)]
    received = unpack_batch(pack_batch(batch))
    assert received[1].data_ptr() % 64 == 0
    assert torch.equal(received[1], batch[1])


def test_what_arrives_can_be_changed():
    (image,) = unpack_batch(pack_batch([torch.zeros(LARGE, dtype=torch.uint8)]))
    image += 1
    assert int(image.sum()) == LARGE


def test_a_batch_without_large_arrays_can_be_sent():
    failure = UnreadableImage("a.jpg", "why")
    (received,) = unpack_batch(pack_batch([failure]))
    assert str(received) == str(failure)


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
