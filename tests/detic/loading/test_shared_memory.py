"""Batches on their way between processes."""

import multiprocessing

import numpy as np
import torch
from detectron2.structures import Boxes, Instances, PolygonMasks

from detic.loading.image_reader import UnreadableImage
from detic.loading.shared_memory import LARGE, pack_batch, unpack_batch


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
