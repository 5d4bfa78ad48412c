"""Records in one block of memory that processes share."""

import multiprocessing
import os

import numpy as np
import pytest

from detic.loading.records import PackedRecords, pack_records, trainable_annotations
from detic.loading.shared_memory import ArrayWriter, open_shared_arrays

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


def test_polygons_that_no_mask_can_be_made_of_are_left_out():
    triangle, line = [0, 0, 4, 0, 0, 4], [0, 0, 4, 0]
    annotations = [
        {"bbox": [0, 0, 4, 4], "segmentation": [line, triangle]},
        {"bbox": [0, 0, 4, 4], "segmentation": [line]},
        {"bbox": [0, 0, 4, 4], "segmentation": {"size": [4, 4], "counts": b"04"}},
    ]
    kept = trainable_annotations(annotations)
    assert [a["segmentation"] for a in kept] == [[triangle], annotations[2]["segmentation"]]
    assert annotations[0]["segmentation"] == [line, triangle]
