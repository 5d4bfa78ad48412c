"""Work of an evaluation that is done while the next image is detected."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Background:
    """A thread for one job at a time; the next one waits for it."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._job: Future | None = None

    def run(self, job: Callable[[], None]) -> None:
        """Begin ``job`` when the one before has ended, and raise what that one raised."""
        self.finish()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=1)
        self._job = self._pool.submit(job)

    def finish(self) -> None:
        """Wait for the last job, and raise what it raised."""
        job, self._job = self._job, None
        if job is not None:
            job.result()
