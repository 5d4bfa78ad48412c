"""The endless loader of training batches: same batches for any number of workers, resumable."""

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing.context import BaseContext
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from detic.data.batching import PlannedBatch, PlannerFactory
from detic.data.example_rng import example_rng
from detic.data.index_stream import StreamElement
from detic.data.picture_reader import UnreadableImage
from detic.data.transport import PackedBatch, pack_batch, unpack_batch
from detic.data.unreadable import UnreadableImages
from detic.errors import InputError
from detic.vocabulary.choices import unknown_choice

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


class TrainLoader:
    """Endless batches, lists of examples.

    One process can play several ranks of a larger world, as with gradient accumulation: it yields
    their batches in turn, the very batches that as many processes would get.

    Args:
        records: of all images.
        mapper: record -> example; raises UnreadableImage for a picture that cannot be used.
        planners: makes the planners of all ranks.
        ranks: those this process plays.
        seed: decides everything that is random.
        workers: the processes that read images.
        unreadable: keeps count of the pictures that are left out of their batches.
    """

    def __init__(
        self,
        *,
        records: Sequence[dict],
        mapper: Callable[[dict], Example],
        planners: PlannerFactory,
        ranks: Sequence[int],
        seed: int,
        workers: WorkerParams,
        unreadable: UnreadableImages,
    ):
        self.records = records
        self.mapper = mapper
        self.planners = planners
        self.ranks = tuple(ranks)
        self.seed = seed
        self.workers = workers
        self.unreadable = unreadable
        self._turn = 0  # position in ranks of the next batch
        # Each rank after the last batch that was handed out, whatever is read ahead
        self._states = planners.beginnings(seed, self.ranks)

    def __iter__(self) -> Iterator[list[Example]]:
        """Yield batches from the loader's state on, and keep the state up to date."""
        ahead: deque[PlannedBatch] = deque()
        waiting: list[deque] = [deque() for _ in self.ranks]
        # Batches arrive in the order of the ranks, beginning with the one whose turn it is. A rank
        # whose batch has no readable image takes its next one; those of the others wait meanwhile.
        arriving = self._turn
        for batch in self._read(self._plan(ahead)):
            waiting[arriving].append((ahead.popleft(), self._readable(batch)))
            arriving = (arriving + 1) % len(self.ranks)
            while waiting[self._turn]:
                planned, examples = waiting[self._turn].popleft()
                self._states[self._turn] = planned.state_after
                if examples:
                    self._turn = (self._turn + 1) % len(self.ranks)
                    yield examples

    def _plan(self, ahead: deque[PlannedBatch]) -> Iterator[list[StreamElement]]:
        """Yield batches of the ranks in turn, and put them into ``ahead`` at the same time."""
        planners = [self.planners.planner(state) for state in self._states]
        for position in count(self._turn):
            planned = planners[position % len(planners)].next_batch()
            ahead.append(planned)
            yield planned.elements

    def _read(self, plan: Iterator[list[StreamElement]]) -> Iterator[list | PackedBatch]:
        """Return an iterator over planned batches, read in order."""
        params = self.workers
        use_workers = params.num_workers > 0
        options = {}
        if use_workers:
            options["prefetch_factor"] = params.prefetch
            options["multiprocessing_context"] = _context(params.start_method)
        return iter(
            DataLoader(
                MappedBatches(self.records, self.mapper, self.seed, packed=use_workers),
                sampler=plan,
                batch_size=None,  # what the sampler yields is a whole batch
                collate_fn=_unchanged,
                num_workers=params.num_workers,
                worker_init_fn=partial(_start_worker, training_process=os.getpid()),
                # A generator of its own keeps torch's global one out of the start of workers.
                generator=torch.Generator(),
                **options,
            )
        )

    def _readable(self, batch: list | PackedBatch) -> list[Example]:
        """Return the examples of a batch that could be read, and count the others."""
        items = unpack_batch(batch) if isinstance(batch, PackedBatch) else batch
        failures = [item for item in items if isinstance(item, UnreadableImage)]
        self.unreadable.count(len(items), failures)
        return [item for item in items if not isinstance(item, UnreadableImage)]

    def state_dict(self) -> dict[str, Any]:
        """Return the position after the last batch handed out: numbers and small tensors."""
        return {
            "seed": self.seed,
            "num_records": len(self.records),
            "world_size": self.planners.world_size,
            "turn": self._turn,
            "ranks": {
                rank: state.as_dict() for rank, state in zip(self.ranks, self._states, strict=True)
            },
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a position; iterators made before are not affected.

        Args:
            state: of this process, or of several as ``merge_loader_states`` joins them.

        Raises:
            InputError: the position is one in other data, or of other processes.
        """
        expected = {
            "num_records": (len(self.records), "the training data have changed"),
            "world_size": (self.planners.world_size, "processes times accumulation must be equal"),
        }
        for key, (now, meaning) in expected.items():
            if state[key] != now:
                raise InputError(
                    f"cannot go on in the training data: the checkpoint has {key} {state[key]}, "
                    f"this training {now} ({meaning}); restore what it was or start a new training "
                    "from the weights"
                )
        missing = [rank for rank in self.ranks if rank not in state["ranks"]]
        if missing:
            raise InputError(
                f"the checkpoint has the data position of ranks {sorted(state['ranks'])}, "
                f"not of {missing}; start as many processes as before"
            )
        self.seed = state["seed"]
        # Between two steps every rank has had its turn, so other processes can take over.
        self._turn = state["turn"] if tuple(state["ranks"]) == self.ranks else 0
        self._states = self.planners.states_from_dicts([state["ranks"][r] for r in self.ranks])


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
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_obey, args=(training_process,), daemon=True).start()


def _obey(training_process: int) -> None:
    """End this process when the training process says so, and nobody else.

    A scheduler that stops a job sends SIGTERM to all its processes. The training process then
    finishes its step and saves, for which it needs its workers.
    """
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != training_process:
        pass
    os._exit(0)


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


def merge_loader_states(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one state with the ranks of all, from which any of them can go on.

    With it a training can go on with another number of processes, as long as processes times
    accumulation stay the same.
    """
    ranks: dict[int, dict] = {}
    for state in states:
        ranks |= state["ranks"]
    return states[0] | {"ranks": ranks}
