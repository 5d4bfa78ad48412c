"""What the service counts, in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # bounds of buckets
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


class Histogram:
    """How often values fell below some bounds."""

    def __init__(self, name: str, help: str, bounds: Sequence[float]):
        self.name, self.help, self.bounds = name, help, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self.bounds, value)] += 1
        self._sum += value

    def lines(self) -> list[str]:
        lines, total = _head(self.name, self.help, "histogram"), 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self._counts, strict=True):
            total += count
            lines.append(f'{self.name}_bucket{{le="{bound}"}} {total}')
        return [*lines, f"{self.name}_sum {self._sum:.6f}", f"{self.name}_count {total}"]


class Metrics:
    """All counts of a service; any thread may add to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._objects = 0
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []
        self._request_s = Histogram(
            "detic_request_seconds", "From a request for detection to its answer.", SECONDS
        )
        self._wait_s = Histogram(
            "detic_queue_seconds", "What the first image of a batch waited.", SECONDS
        )
        self._compute_s = Histogram("detic_batch_seconds", "What a batch took.", SECONDS)
        self._batch_size = Histogram("detic_batch_images", "Images of a batch.", SIZES)

    def add_gauge(self, name: str, help: str, value: Callable[[], float]) -> None:
        """Show a number that is asked for whenever the metrics are read."""
        self._gauges.append((name, help, value))

    def count_request(self, method: str, route: str, status: int) -> None:
        with self._lock:
            self._requests[method, route, status] += 1

    def count_answer(self, seconds: float) -> None:
        with self._lock:
            self._request_s.observe(seconds)

    def count_objects(self, num_objects: int) -> None:
        with self._lock:
            self._objects += num_objects

    def count_batch(self, size: int, waited_s: float, computed_s: float) -> None:
        with self._lock:
            self._batch_size.observe(size)
            self._wait_s.observe(waited_s)
            self._compute_s.observe(computed_s)

    def text(self) -> str:
        """Return all as text."""
        with self._lock:
            lines = _head("detic_requests_total", "Requests by route and status.", "counter")
            lines += [
                f'detic_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
                for (method, route, status), count in sorted(self._requests.items())
            ]
            lines += _head("detic_objects_total", "Objects that were found.", "counter")
            lines.append(f"detic_objects_total {self._objects}")
            for name, help, value in self._gauges:
                lines += [*_head(name, help, "gauge"), f"{name} {value():g}"]
            for histogram in (self._request_s, self._wait_s, self._compute_s, self._batch_size):
                lines += histogram.lines()
        return "\n".join(lines) + "\n"


def _head(name: str, help: str, kind: str) -> list[str]:
    return [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]
