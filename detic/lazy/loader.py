"""Any loader of batches, as our training loop takes it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng

from detic.engine.step import Batch, derived_seed
from detic.errors import InputError
from detic.loading.unreadable import UnreadableImages


class PlainLoader:
    """Endless batches of a loader that knows nothing of resuming.

    A training that goes on takes other batches than those that were drawn before it stopped: the
    loader is built anew, with a seed that depends on the number of batches until then.

    Args:
        build: returns the loader; called when the first batch is asked for.
        seed: of the training.
    """

    def __init__(self, build: Callable[[], Iterable[Batch]], seed: int):
        self._build = build
        self._seed = seed
        self._handed_out = 0
        # It stays empty: such a loader stops at an image that cannot be read.
        self.unreadable = UnreadableImages(max_fraction=0)

    def __iter__(self) -> Iterator[Batch]:
        seed_all_rng(derived_seed(self._seed, self._handed_out, comm.get_rank()) % 2**31)
        loader = self._build()
        while True:
            before = self._handed_out
            for batch in loader:
                self._handed_out += 1
                yield batch
            if self._handed_out == before:
                raise InputError("dataloader.train has no batches; give it examples")

    def state_dict(self) -> dict[str, Any]:
        """Return the number of batches handed out."""
        return {"ranks": {comm.get_rank(): self._handed_out}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after the batches of a training, whose processes have had equally many."""
        self._handed_out = max(state["ranks"].values())
