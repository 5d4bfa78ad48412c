"""The labelled images of a job in the order of the plan, whoever labelled what when.

Parts are read one line at a time, so memory does not grow with the job.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from detic.image_sources import ImageSource
from detic.labelling.job import Job
from detic.labelling.parts import read_part
from detic.labelling.shards import Failure, UnreadableShard


@dataclass(frozen=True)
class LabelledImages:
    """The images of a job that were labelled, as often as they are gone through."""

    job: Job
    shards: Sequence[int]  # that are done, in order
    has_masks: bool = True  # else masks are left out

    def __iter__(self) -> Iterator[dict]:
        """Yield the images with their ids: their places in the plan from 1, also counting failures.

        Tar files that are not done count as empty: nobody knows yet what they hold.
        """
        for shard in self.by_shard():
            yield from shard

    def by_shard(self) -> Iterator[Iterator[dict]]:
        """Yield the images of each shard; those of one are to be gone through before the next."""
        done = frozenset(self.shards)
        for index, before in enumerate(_images_before(self.job)):
            if index in done:
                yield self._of_shard(index, before)

    def _of_shard(self, index: int, before: int) -> Iterator[dict]:
        for entry in read_part(self.job.part_path(index)):
            if "error" not in entry:
                if not self.has_masks:
                    for found in entry["detections"]:
                        found.pop("mask", None)
                yield entry | {"image_id": before + entry["image_id"]}


@dataclass(frozen=True)
class ChosenImages:
    """Some of the images of a job, in an order of their own."""

    job: Job
    entries: Sequence[dict]

    def __iter__(self) -> Iterator[dict]:
        return iter(self.entries)

    def by_shard(self) -> Iterator[Iterator[dict]]:
        """Yield all of them."""
        yield iter(self.entries)


Images = LabelledImages | ChosenImages


def sources_of(
    job: Job, ids: Collection[int], *, some_may_be_lost: bool = False
) -> Iterator[tuple[int, ImageSource | Failure]]:
    """Yield images of a job to be read again, with their ids, in the order of the plan.

    The working directory must be the job's base. Shards without any of them are not opened.

    Args:
        some_may_be_lost: leave out images of shards that cannot be read any more.

    Raises:
        UnreadableShard: inputs have changed since the job was planned, or they are gone.
    """
    ids = frozenset(ids)
    for index, before in enumerate(_images_before(job)):
        stop = before + _num_images(job, index)
        if ids.isdisjoint(range(before + 1, stop + 1)):
            continue
        numbered = range(before + 1, stop + 1)
        try:
            for image_id, source in zip(numbered, job.shards[index].read(), strict=False):
                if image_id in ids:
                    yield image_id, source
        except UnreadableShard:
            if not some_may_be_lost:
                raise


def _images_before(job: Job) -> Iterator[int]:
    """Yield the number of images before each shard."""
    counts = (_num_images(job, index) for index in range(job.num_shards - 1))
    return accumulate(counts, initial=0)


def _num_images(job: Job, index: int) -> int:
    summary = job.summary(index)
    return (job.shards[index].num_images or 0) if summary is None else summary.images
