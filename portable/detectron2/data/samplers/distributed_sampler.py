"""Samplers that share one random stream between all processes, each taking its part of it."""

import itertools
import logging
import math
from collections import Counter
from collections.abc import Iterator

import torch
from detectron2.utils import comm
from torch.utils.data import Sampler

logger = logging.getLogger(__name__)


class _InfiniteSampler(Sampler):
    """An endless stream of indices, one epoch after the other.

    All processes make the same stream from the same seed; the process of rank r yields its
    elements r, r + world_size, r + 2 world_size, ...

    Args:
        shuffle: whether each epoch comes in a random order.
        seed: of the stream. None: one that all processes agree on.
    """

    def __init__(self, shuffle: bool, seed: int | None) -> None:
        self._shuffle = shuffle
        self._seed = comm.shared_random_seed() if seed is None else int(seed)
        self._rank = comm.get_rank()
        self._world_size = comm.get_world_size()

    def __iter__(self) -> Iterator[int]:
        return itertools.islice(self._stream(), self._rank, None, self._world_size)

    def _stream(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self._seed)
        while True:
            indices = self._get_epoch_indices(generator)
            if self._shuffle:
                indices = indices[torch.randperm(len(indices), generator=generator)]
            yield from indices.tolist()

    def _get_epoch_indices(self, generator: torch.Generator) -> torch.Tensor:
        raise NotImplementedError


class TrainingSampler(_InfiniteSampler):
    """An endless stream in which each epoch holds each of `size` indices once."""

    def __init__(self, size: int, shuffle: bool = True, seed: int | None = None) -> None:
        if size <= 0:
            raise ValueError(f"TrainingSampler needs at least one record, got size {size}")
        super().__init__(shuffle, seed)
        self._size = size
        logger.info("training on %d records, shuffled: %s", size, shuffle)

    def _get_epoch_indices(self, generator: torch.Generator) -> torch.Tensor:
        return torch.arange(self._size)


class RandomSubsetTrainingSampler(TrainingSampler):
    """An endless stream over a random part of `size` indices, the same in all processes.

    Args:
        subset_ratio: size of the part, in (0, 1].
        seed_shuffle: of the order.
        seed_subset: of the choice. None: one that all processes agree on.
    """

    def __init__(
        self,
        size: int,
        subset_ratio: float,
        shuffle: bool = True,
        seed_shuffle: int | None = None,
        seed_subset: int | None = None,
    ) -> None:
        super().__init__(size, shuffle, seed_shuffle)
        if not 0 < subset_ratio <= 1:
            raise ValueError(f"subset_ratio must be above 0 and at most 1, got {subset_ratio}")
        seed = comm.shared_random_seed() if seed_subset is None else int(seed_subset)
        order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
        self._subset = order[: max(1, int(size * subset_ratio))]

    def _get_epoch_indices(self, generator: torch.Generator) -> torch.Tensor:
        return self._subset


class RepeatFactorTrainingSampler(_InfiniteSampler):
    """An endless stream in which each epoch holds index i about repeat_factors[i] times.

    A factor of 2.3 gives two copies, and a third one in three epochs of ten.

    Source: Gupta et al., LVIS, arXiv 1908.03195, appendix B.2.
    """

    def __init__(
        self, repeat_factors: torch.Tensor, *, shuffle: bool = True, seed: int | None = None
    ) -> None:
        super().__init__(shuffle, seed)
        self._whole_part = torch.trunc(repeat_factors)
        self._fraction = repeat_factors - self._whole_part

    def _get_epoch_indices(self, generator: torch.Generator) -> torch.Tensor:
        extra = torch.rand(len(self._fraction), generator=generator) < self._fraction
        repeats = (self._whole_part + extra).long()
        return torch.repeat_interleave(torch.arange(len(repeats)), repeats)

    @staticmethod
    def repeat_factors_from_category_frequency(
        dataset_dicts: list[dict], repeat_thresh: float, sqrt: bool = True
    ) -> torch.Tensor:
        """Return how often to see each image (N,), so that rare categories are seen more.

        A category in a fraction f of the images has the factor max(1, sqrt(t / f)), an image the
        largest factor of its categories, 1 if it has none. With t = 0.5 and a category in one of
        eight images, the factor of that image is sqrt(0.5 / 0.125) = 2.

        Args:
            dataset_dicts: N records with `annotations`, each with `category_id`.
            repeat_thresh: t, the fraction below which a category is repeated.
            sqrt: whether to take the square root.
        """
        categories_of = [{a["category_id"] for a in d["annotations"]} for d in dataset_dicts]
        num_images_with = Counter(itertools.chain.from_iterable(categories_of))

        def category_factor(category_id: int) -> float:
            ratio = repeat_thresh * len(dataset_dicts) / num_images_with[category_id]
            return max(1.0, math.sqrt(ratio) if sqrt else ratio)

        factor = {category_id: category_factor(category_id) for category_id in num_images_with}
        return torch.tensor(
            [max((factor[c] for c in categories), default=1.0) for categories in categories_of],
            dtype=torch.float32,
        )


class InferenceSampler(Sampler):
    """Every index exactly once over all processes, each a contiguous range of nearly equal size."""

    def __init__(self, size: int) -> None:
        rank = comm.get_rank()
        base, extra = divmod(size, comm.get_world_size())
        start = rank * base + min(rank, extra)
        self._local_indices = range(start, start + base + (rank < extra))

    def __iter__(self) -> Iterator[int]:
        return iter(self._local_indices)

    def __len__(self) -> int:
        return len(self._local_indices)
