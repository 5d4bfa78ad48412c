"""The shards that wait for a worker, those of killed workers among them."""

from collections import Counter, deque
from collections.abc import Iterable

MAX_ATTEMPTS = 3  # a shard that kills so many workers is given up


class ShardQueue:
    """Queue of shards, each of which is handed out again when its worker was killed."""

    def __init__(self, shards: Iterable[int]):
        self._waiting = deque(shards)
        self._attempts: Counter[int] = Counter()
        self.given_up: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(self) -> int | None:
        """Return the next shard; None if none waits."""
        return self._waiting.popleft() if self._waiting else None

    def put_back(self, shard: int) -> None:
        """Queue the shard of a worker that was killed, unless it has killed too many."""
        self._attempts[shard] += 1
        if self._attempts[shard] < MAX_ATTEMPTS:
            self._waiting.append(shard)
        else:
            self.given_up.append(shard)
