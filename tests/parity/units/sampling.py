"""Which images are drawn, and how they are grouped into batches."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from torch import Tensor

from tests.parity.arrays import Arrays, to_array
from tests.parity.ours import (
    AnnotationKind,
    Buckets,
    Epoch,
    StrideReader,
    dataset_weights,
    repeat_factors,
    source_and_shape_buckets,
    tag_repeat_factors,
    weighted_draw,
)

THRESHOLD = 0.2
# Relative size of the sources, whether classes are balanced, and how the sources are annotated
MIXTURES = [
    ((1, 4), (True, False), ("box", "image")),
    ((1, 1), (True, True), ("box", "image")),
    ((1, 16), (False, False), ("box", "captiontag")),
]


def sampling(folder: Path) -> Arrays:
    """Return repeat factors, the order of drawn images, and batches of two sources."""
    records = made_up_records((30, 75))
    labelled = [record for record in records if record["dataset_source"] == 1]
    arrays = {"tagfreq/factors": to_array(tag_repeat_factors(labelled, THRESHOLD))}
    for i, mixture in enumerate(MIXTURES):
        weights = mixture_weights(records, *mixture, THRESHOLD)
        drawn = list(islice(drawn_indices(weights, seed=0), 130))
        arrays |= {
            f"sampler/{i}.weights": to_array(weights),
            f"sampler/{i}.first64": np.array(drawn[:64]),
            f"sampler/{i}.tail": np.array(drawn[100:]),
        }
    order = np.random.RandomState(1).randint(0, len(records), 200)
    stream = [records[k] | {"idx": position} for position, k in enumerate(order)]
    return arrays | {
        "batching/diff": _listed(batches(stream, [2, 2, 8, 8])),
        "batching/same": _listed(batches(stream, [4, 4, 4, 4])),
    }


def mixture_weights(
    records: Sequence[dict],
    ratio: Sequence[int],
    balance: Sequence[bool],
    kinds: Sequence[str],
    threshold: float,
) -> Tensor:
    """Return how likely each record is drawn, (N,); records are sorted by source."""
    sources = [[r for r in records if r["dataset_source"] == s] for s in range(len(ratio))]
    factors = [
        repeat_factors(source, AnnotationKind(kind), threshold) if balanced else None
        for source, balanced, kind in zip(sources, balance, kinds, strict=True)
    ]
    return dataset_weights([len(source) for source in sources], ratio, factors)


def drawn_indices(weights: Tensor, seed: int) -> Iterator[int]:
    """Yield indices of drawn records without end."""
    reader = StrideReader(Epoch.first(weighted_draw(weights), seed), 0, 1)
    return (element.index for element in reader)


def batches(stream: Sequence[dict], capacities: Sequence[int]) -> Iterator[list[dict]]:
    """Yield batches of one source and orientation; capacities by source, tall images first."""
    buckets = Buckets(capacities)
    for record in stream:
        is_wide = record["width"] > record["height"]
        bucket = source_and_shape_buckets(np.array(record["dataset_source"]), np.array(is_wide))
        batch = buckets.add(int(bucket), record)
        if batch is not None:
            yield batch


def made_up_records(sizes: tuple[int, ...], num_classes: int = 12) -> list[dict]:
    """Return records of a source with boxes, then of sources with labels, some without any."""
    rng = np.random.RandomState(5)
    records = []
    for source, size in enumerate(sizes):
        for i in range(size):
            record = {"image_id": len(records), "dataset_source": source}
            record |= {side: int(rng.randint(50, 200)) for side in ("width", "height")}
            count = int(rng.randint(1, 4))
            classes = [min(num_classes, int(rng.geometric(0.35))) - 1 for _ in range(count)]
            if source == 0:
                record["annotations"] = [{"category_id": c} for c in classes]
            else:
                record["pos_category_ids"] = sorted(set(classes)) if i % 9 else []
            records.append(record)
    return records


def _listed(batches: Iterator[list[dict]]) -> np.ndarray:
    """Return index, source and orientation of the examples, and behind each batch its size."""
    rows = []
    for batch in batches:
        rows += [[r["idx"], r["dataset_source"], r["width"] > r["height"]] for r in batch]
        rows.append([-1, len(batch), 0])
    return np.array(rows, dtype=np.int64)
