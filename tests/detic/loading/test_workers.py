"""Batches as a worker makes them; test_loader.py has them from worker processes."""

import itertools
import multiprocessing
import os
import signal
from functools import partial

import numpy as np
import pytest

from detic.loading.image_reader import UnreadableImage
from detic.loading.index_stream import StreamElement
from detic.loading.shared_memory import LARGE, unpack_batch
from detic.loading.workers import MappedBatches, WorkerParams, read_batches

RECORDS = [{"id": i} for i in range(4)]


def draw(record):
    """Return the record with a random number; record 2 cannot be read."""
    if record["id"] == 2:
        raise UnreadableImage("2.jpg", "broken")
    return {**record, "number": np.random.uniform()}


def elements(*indices, start=0):
    return [StreamElement(position, index) for position, index in enumerate(indices, start)]


def test_an_unreadable_image_keeps_its_place_without_its_traceback():
    first, broken, last = MappedBatches(RECORDS, draw, seed=0, packed=False)[elements(3, 2, 0)]
    assert (first["id"], last["id"]) == (3, 0)
    assert (broken.name, broken.reason, broken.__traceback__) == ("2.jpg", "broken", None)


def test_numbers_depend_on_seed_and_position_not_on_the_batch():
    dataset = MappedBatches(RECORDS, draw, seed=0, packed=False)
    together = dataset[elements(0, 0, 1)]
    alone = dataset[elements(1, start=2)]
    assert together[2] == alone[0]
    assert together[0]["number"] != together[1]["number"]
    other = MappedBatches(RECORDS, draw, seed=1, packed=False)
    assert other[elements(0)][0]["number"] != together[0]["number"]


def test_packed_batches_hold_the_same():
    batches = [MappedBatches(RECORDS, draw, 0, packed)[elements(0, 1)] for packed in (False, True)]
    assert unpack_batch(batches[1]) == batches[0]


@pytest.mark.parametrize("failing", [KeyError, ValueError])
def test_errors_of_the_program_are_not_taken_for_unreadable_images(failing):
    def mapper(record):
        raise failing

    with pytest.raises(failing):
        MappedBatches(RECORDS, mapper, seed=0, packed=False)[elements(0)]


def test_batches_follow_an_endless_plan():
    plan = (elements(i % 2, 3, start=2 * i) for i in itertools.count())
    batches = read_batches(RECORDS, draw, plan, seed=0, workers=WorkerParams(0))
    ids = [[example["id"] for example in batch] for batch in itertools.islice(batches, 3)]
    assert ids == [[0, 3], [1, 3], [0, 3]]


def read_and_die(pids):
    """Read a batch with a worker process, then end as by the kernel's out-of-memory killer."""
    plan = (elements(0, 1, 2, 3, start=4 * i) for i in itertools.count())
    mapper = partial(with_pid, pids)
    batches = read_batches(RECORDS, mapper, plan, seed=0, workers=WorkerParams(2, "fork"))
    next(batches)
    os.kill(os.getpid(), signal.SIGKILL)


def with_pid(pids, record):
    pids.send(os.getpid())
    return {"pixels": np.zeros(LARGE - 1, np.uint8)}  # more than the pipe to the parent holds


def until_closed(receiver):
    """Yield what is received until all who could send have ended."""
    while True:
        assert receiver.poll(4), "a process is still there"
        try:
            yield receiver.recv()
        except EOFError:
            return


def test_workers_end_with_the_training_process_however_it_ends():
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    training = context.Process(target=read_and_die, args=(sender,))
    training.start()
    sender.close()
    workers = set(until_closed(receiver))
    training.join()
    assert training.exitcode == -signal.SIGKILL
    assert workers
    assert training.pid not in workers
