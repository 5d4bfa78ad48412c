"""The endless loader of training batches: same batches for any number of workers, resumable."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, Protocol

from detic.errors import InputError
from detic.loading.batching import PlannedBatch, PlannerFactory
from detic.loading.index_stream import StreamElement
from detic.loading.unreadable import UnreadableImages
from detic.loading.workers import Example, WorkerParams, read_batches


class BatchStream(Protocol):
    """What a training loop takes batches from."""

    unreadable: UnreadableImages  # those left out of the batches

    def __iter__(self) -> Iterator[list[Example]]:
        """Yield batches without end, from the stream's state on."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state, with that of each rank by its number under ``ranks``."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that ``merge_loader_states`` has made."""


class TrainLoader:
    """Endless batches, lists of examples.

    One process can play several ranks of a larger world, as with gradient accumulation: it yields
    their batches in turn, the very batches that as many processes would get.

    Args:
        records: of all images.
        mapper: record -> example; raises UnreadableImage for an image that cannot be used.
        planners: makes the planners of all ranks.
        ranks: those this process plays.
        seed: decides everything that is random.
        workers: the processes that read images.
        unreadable: keeps count of the images that are left out of their batches.
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
        plan = self._plan(ahead)
        for batch in read_batches(self.records, self.mapper, plan, self.seed, self.workers):
            waiting[arriving].append((ahead.popleft(), self.unreadable.readable(batch)))
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


def merge_loader_states(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one state with the ranks of all, from which any of them can go on.

    With it a training can go on with another number of processes, as long as processes times
    accumulation stay the same.
    """
    ranks: dict[int, dict] = {}
    for state in states:
        ranks |= state["ranks"]
    return states[0] | {"ranks": ranks}
