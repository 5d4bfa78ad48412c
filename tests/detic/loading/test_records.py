"""Records in one block of memory that processes share."""

import multiprocessing
import os

import numpy as np
import pytest

from detic.errors import InputError
from detic.loading.records import (
    PackedRecords,
    checked_annotations,
    pack_records,
    trainable_annotations,
)
from detic.shared_arrays import ArrayWriter, open_shared_arrays

RECORDS = [{"image_id": i, "text": "x" * i, "annotations": []} for i in range(5)]


@pytest.fixture
def arrays():
    writer = ArrayWriter()
    writer.add("before", np.arange(6, dtype=np.int16).reshape(2, 3))
    pack_records(writer, iter(RECORDS))
    writer.add("flags", np.array([True, False]))
    return writer.finish()


def send_item(connection, records, index):
    connection.send(records[index])


def test_records_come_back_as_they_were(arrays):
    records = PackedRecords(arrays)
    assert list(records) == RECORDS
    assert records[-1] == RECORDS[-1]
    assert records[2] is not records[2]
    with pytest.raises(IndexError):
        records[5]


def test_arrays_lie_beside_them_unchanged(arrays):
    assert set(arrays) == {"before", "records", "records_ends", "flags"}
    assert arrays["before"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert arrays["flags"].tolist() == [True, False]
    with pytest.raises(ValueError, match="read-only"):
        arrays["before"][0] = 1


def test_an_empty_array_can_be_kept():
    writer = ArrayWriter()
    writer.add("something", np.zeros(1))
    pack_records(writer, [])
    assert len(PackedRecords(writer.finish())) == 0


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_other_processes_read_the_same_memory(arrays, method):
    context = multiprocessing.get_context(method)
    here, there = context.Pipe(duplex=False)
    records = PackedRecords(arrays)
    process = context.Process(target=send_item, args=(there, records, 3))
    process.start()
    assert here.poll(60)
    assert here.recv() == RECORDS[3]
    process.join()


def test_a_handle_opens_the_same_file(arrays):
    other = open_shared_arrays(arrays.handle)
    assert list(PackedRecords(other)) == RECORDS


def test_the_handle_of_a_process_that_is_gone_cannot_be_opened(arrays):
    path, places = arrays.handle
    with pytest.raises(OSError, match="No such file"):
        open_shared_arrays((path.replace(str(os.getpid()), "999999999"), places))


def test_boxes_become_floating_point():
    (annotation,) = trainable_annotations([{"bbox": [1, 2, 3, 4], "category_id": 0}])
    assert [type(value) for value in annotation["bbox"]] == [float] * 4


def test_records_of_other_loaders_have_their_masks_looked_at():
    triangle, line = [0, 0, 4, 0, 0, 4], [0, 0, 4, 0]
    run_lengths = {"size": [4, 4], "counts": b"04<"}
    masks = [[line, np.array(triangle)], [line], run_lengths, None]
    annotations = [{"bbox": np.array([0, 0, 4, 4]), "segmentation": mask} for mask in masks]
    record = {"height": 4, "width": 4, "image_id": 3, "annotations": annotations}
    kept = checked_annotations(record, "pets")
    assert [a.get("segmentation") for a in kept][:2] == [[triangle], None]
    assert [len(a["bbox"]) for a in kept] == [4] * 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"segmentation": [[0, 0, 4, 0, None, 4]]}, "image 3: 'segmentation' has polygons with"),
        ({"segmentation": {"size": [9, 9], "counts": b"04"}}, "of another size than their image"),
        ({"bbox": None}, "image 3: 'bbox' is None; expected four numbers"),
        ({"bbox": [0, 0, float("nan"), 4]}, "'bbox' is"),
    ],
)
def test_malformed_records_of_other_loaders_are_named(wrong, message):
    record = {"height": 4, "width": 4, "image_id": 3}
    record["annotations"] = [{"bbox": [0, 0, 4, 4]} | wrong]
    with pytest.raises(InputError, match=message):
        checked_annotations(record, "pets")
