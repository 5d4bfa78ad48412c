"""Reading planned batches, in this process or in worker processes.

Random numbers depend on an example's position in the stream alone, so any number of workers gives
the same batches.
"""

import gc
import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import BaseContext
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from detic.errors import unknown_choice
from detic.loading.image_reader import UnreadableImage
from detic.loading.index_stream import StreamElement
from detic.loading.shared_memory import PackedBatch, pack_batch, unpack_batch

Example = dict[str, Any]


@dataclass(frozen=True)
class WorkerParams:
    """The processes that read images."""

    num_workers: int  # 0: the training process reads
    start_method: str = ""  # fork, forkserver or spawn; "": Python's default
    prefetch: int = 2  # batches each worker prepares ahead


class MappedBatches(Dataset):
    """Batches of training examples, made of their elements of the index stream.

    Args:
        records: of all images.
        mapper: record -> example; raises UnreadableImage.
        seed: of the training; with the position in the stream it decides all random numbers.
        packed: whether batches are to be sent to another process.
    """

    def __init__(
        self,
        records: Sequence[dict],
        mapper: Callable[[dict], Example],
        seed: int,
        packed: bool,
    ):
        self.records = records
        self.mapper = mapper
        self.seed = seed
        self.packed = packed

    def __getitem__(self, elements: Sequence[StreamElement]) -> list | PackedBatch:
        """Return the examples, with an UnreadableImage in place of each that cannot be made."""
        examples = map(self._example, elements)
        return pack_batch(examples) if self.packed else list(examples)

    def _example(self, element: StreamElement) -> Example | UnreadableImage:
        with example_rng(self.seed, element.position):
            try:
                return self.mapper(self.records[element.index])
            except UnreadableImage as error:
                return UnreadableImage(error.name, error.reason)  # without its traceback


def read_batches(
    records: Sequence[dict],
    mapper: Callable[[dict], Example],
    plan: Iterator[list[StreamElement]],
    seed: int,
    workers: WorkerParams,
) -> Iterator[list[Example | UnreadableImage]]:
    """Return an iterator over the batches of ``plan``, in its order.

    Each batch has an UnreadableImage in place of each example that cannot be made.

    Args:
        records: of all images.
        mapper: record -> example; raises UnreadableImage.
        plan: elements of each batch; read ahead of the batches.
        seed: of the training.
        workers: the processes that read images.

    Raises:
        InputError: there is no such way to start processes here.
    """
    use_workers = workers.num_workers > 0
    options: dict[str, Any] = {}
    if use_workers:
        options["prefetch_factor"] = workers.prefetch
        options["multiprocessing_context"] = _context(workers.start_method)
    loader = DataLoader(
        MappedBatches(records, mapper, seed, packed=use_workers),
        sampler=plan,
        batch_size=None,  # what the sampler yields is a whole batch
        collate_fn=_unchanged,
        num_workers=workers.num_workers,
        worker_init_fn=partial(_start_worker, training_process=os.getpid()),
        # A generator of its own keeps torch's global one out of the start of workers.
        generator=torch.Generator(),
        **options,
    )
    return map(unpack_batch, loader) if use_workers else iter(loader)


def _unchanged(batch: list | PackedBatch) -> list | PackedBatch:
    return batch


def _start_worker(worker_id: int, *, training_process: int) -> None:
    """Prepare a worker process.

    Args:
        worker_id: its number, which DataLoader hands in.
        training_process: the process that it works for.
    """
    # The garbage collector stays away from what a forked process shares with its parent.
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the training process too
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_obey, args=(training_process,), daemon=True).start()
    # After the signal is blocked, or this thread would receive it
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _obey(training_process: int) -> None:
    """End this process when the training process says so, and nobody else.

    A scheduler that stops a job sends SIGTERM to all its processes. The training process then
    finishes its step and saves, for which it needs its workers.
    """
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != training_process:
        pass
    os._exit(0)


def _end_with_parent() -> None:
    """End this process when the training process is gone, however that ended.

    DataLoader's own watch lets it wait for what nobody will read any more. The parent's sentinel is a
    pipe that the system closes at its death, so it cannot come too early or too late, whatever
    started this process.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _context(start_method: str) -> BaseContext:
    """Return how worker processes are started.

    Raises:
        InputError: there is no such way here.
    """
    methods = multiprocessing.get_all_start_methods()
    if start_method and start_method not in methods:
        where = "DATALOADER.START_METHOD"
        raise unknown_choice("start method", start_method, methods, where=where)
    context = multiprocessing.get_context(start_method or None)
    if context.get_start_method() == "forkserver":
        # Imported once and shared, instead of once in each worker
        context.set_forkserver_preload(["__main__", __name__])
    return context


@contextmanager
def example_rng(seed: int, position: int) -> Iterator[None]:
    """Seed the random generators of Python, numpy and torch (CPU) for one example.

    Whatever draws inside gets the same numbers in any process. Afterwards the generators are as
    they were, so an example that is made in the training process does not disturb the model.

    Args:
        seed: of the training, 0 or more.
        position: of the example in the stream of all examples.
    """
    derived = int(np.random.SeedSequence([seed, position]).generate_state(1)[0])
    python_state, numpy_state = random.getstate(), np.random.get_state()
    torch_state = torch.default_generator.get_state()
    try:
        random.seed(derived)
        np.random.seed(derived)
        torch.default_generator.manual_seed(derived)
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.default_generator.set_state(torch_state)
