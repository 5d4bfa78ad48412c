"""The labelled images of a job in the order of the plan, whoever labelled what when.

Parts are read one line at a time, so memory does not grow with the job.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from detic.labelling.job import Job
from detic.labelling.parts import read_part


@dataclass(frozen=True)
class LabelledImages:
    """The images of a job that were labelled, as often as they are gone through."""

    job: Job
    shards: Sequence[int]  # that are done, in order

    def __iter__(self) -> Iterator[dict]:
        """Yield the images with their ids: their places in the plan from 1, also counting failures."""
        for shard in self.by_shard():
            yield from shard

    def by_shard(self) -> Iterator[Iterator[dict]]:
        """Yield the images of each shard; those of one are to be gone through before the next."""
        before = 0
        done = frozenset(self.shards)
        for index in range(self.job.num_shards):
            if index in done:
                yield self._of_shard(index, before)
            before += self._num_images(index)

    def _of_shard(self, index: int, before: int) -> Iterator[dict]:
        for entry in read_part(self.job.part_path(index)):
            if "error" not in entry:
                yield entry | {"image_id": before + entry["image_id"]}

    def _num_images(self, index: int) -> int:
        summary = self.job.summary(index)
        return (self.job.shards[index].num_images or 0) if summary is None else summary.images
