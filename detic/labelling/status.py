"""How far a job is, seen from any shell: its parts and locks say it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from detic.labelling.job import Job
from detic.labelling.parts import PartSummary, read_part

_NUM_RECENT = 50  # parts that the rate is measured on
_RECENT_S = 3600.0


@dataclass(frozen=True)
class JobStatus:
    """How far a job is."""

    shards: int
    shards_done: int
    shards_at_work: int
    images: int | None  # in all; None: tar files were not counted yet
    images_done: int  # with those that failed
    failures: int
    objects: int
    images_per_s: float | None  # None: too few parts to tell
    seconds_left: float | None

    def __str__(self) -> str:
        at_work = f", {self.shards_at_work} at work" if self.shards_at_work else ""
        total = "" if self.images is None else f" of {self.images}"
        lines = [
            f"shards   {self.shards_done} of {self.shards}{at_work}",
            f"images   {self.images_done}{total}, {self.failures} failed",
            f"objects  {self.objects}",
        ]
        if self.images_per_s is not None and self.shards_at_work:
            left = "" if self.seconds_left is None else f", {_clock(self.seconds_left)} left"
            lines.append(f"rate     {self.images_per_s:.3g} images/s{left}")
        return "\n".join(lines)


def read_status(job: Job) -> JobStatus:
    """Return how far a job is."""
    done = dict(job.summaries())
    parts = list(done.values())
    rate = recent_rate(parts, time.time())
    images = job.num_images if len(done) < job.num_shards else sum(part.images for part in parts)
    num_done = sum(part.images for part in parts)
    return JobStatus(
        shards=job.num_shards,
        shards_done=len(done),
        shards_at_work=sum(job.is_locked(i) for i in range(job.num_shards) if i not in done),
        images=images,
        images_done=num_done,
        failures=sum(part.failures for part in parts),
        objects=sum(part.objects for part in parts),
        images_per_s=rate,
        seconds_left=None if images is None or not rate else (images - num_done) / rate,
    )


def recent_rate(parts: Sequence[PartSummary], now: float) -> float | None:
    """Return the images per second of the parts that were completed last; None of fewer than two.

    Args:
        parts: that are complete.
        now: seconds since 1970; parts of more than an hour before do not count.

    >>> recent_rate([PartSummary(100, written=0.0), PartSummary(100, written=5.0)], now=9.0)
    20.0
    """
    recent = sorted((p for p in parts if now - p.written < _RECENT_S), key=lambda p: p.written)
    first, *later = recent[-_NUM_RECENT:] or [PartSummary()]
    if not later or later[-1].written <= first.written:
        return None
    return sum(part.images for part in later) / (later[-1].written - first.written)


def failed_images(job: Job, limit: int | None = None) -> Iterator[tuple[str, str]]:
    """Yield the names of images that failed, and why."""
    entries = (
        (entry["file_name"], entry["error"])
        for index, summary in job.summaries()
        if summary.failures
        for entry in read_part(job.part_path(index))
        if "error" in entry
    )
    return islice(entries, limit)


def _clock(seconds: float) -> timedelta:
    return timedelta(seconds=round(seconds))
