"""The shards that wait for a worker, those that were tried in vain among them."""

from collections import Counter, deque
from collections.abc import Iterable

MAX_ATTEMPTS = 3  # a shard that so many workers try in vain is given up


class ShardQueue:
    """Queue of shards, each of which is handed out again if its worker was killed or could not read it."""

    def __init__(self, shards: Iterable[int]):
        self._waiting = deque(shards)
        self._attempts: Counter[int] = Counter()
        self.given_up: dict[int, str] = {}  # why, by shard

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(self) -> int | None:
        """Return the next shard; None if none waits."""
        return self._waiting.popleft() if self._waiting else None

    def put_back(self, shard: int, reason: str) -> None:
        """Queue a shard that a worker tried in vain, unless too many have."""
        self._attempts[shard] += 1
        if self._attempts[shard] < MAX_ATTEMPTS:
            self._waiting.append(shard)
        else:
            self.given_up[shard] = reason
