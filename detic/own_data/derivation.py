"""From facts about the data, the detector and the machine to the keys of a recipe.

Every number of a recipe that is made for one's own data comes from a formula here. ``PASSES``, ``MIN_BATCHES``
and ``RATE_FACTOR`` were chosen on the drawn world of docs/own_data.md; the rest is arithmetic.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detic.annotation import AnnotationKind

MAX_BATCH = 8  # images with boxes of one process, as the released trainings had on a GPU
# These were 8 images of 640 x 640 pixels, or 4 of 896 x 896 with Swin-B, on a GPU of 32 GiB.
BYTES_PER_PIXEL = 10 * 1024
MEMORY_SHARE = 0.8  # of what is free: the rest is for weights, the optimizer and others
LABELS_PER_BOX_IMAGE = (
    4  # images with labels in a batch are of half the side, so four times as many
)
PASSES = 2.5  # over the images of the largest source of one's own
MIN_BATCHES, MAX_BATCHES = 100, 2000  # of each source
RATE_FACTOR = 0.5  # a detector that knows much already goes on with half the rate
WARMUP_SHARE = 0.075  # of the steps
LONG = 1000  # steps; a longer training is evaluated on the way
EVALUATIONS = 4  # of a long training


@dataclass(frozen=True)
class SourceFacts:
    """One source of training data."""

    name: str  # in DATASETS.TRAIN
    kind: AnnotationKind  # BOX or IMAGE
    num_images: int
    is_own: bool = True  # else replayed
    repeats_rare: bool = False  # images with rare classes are drawn more often


@dataclass(frozen=True)
class DataFacts:
    """What there is to learn, to replay and to test on."""

    sources: tuple[SourceFacts, ...]
    test_sets: tuple[str, ...]
    num_classes: int  # own and old ones
    num_classes_with_boxes: int  # in the sources of boxes


@dataclass(frozen=True)
class DetectorFacts:
    """How the detector was trained before."""

    base_lr: float
    batch: int  # images, with boxes, that ``base_lr`` was chosen for
    is_adaptive: bool  # AdamW; else SGD
    num_federated: int  # classes that the federated loss samples
    num_workers: int
    side_px: int  # of training images with boxes
    # Keys below DATALOADER that say how images are resized, with the value for each kind of source
    resizing: Mapping[str, Mapping[AnnotationKind, Any]]


@dataclass(frozen=True)
class MachineFacts:
    """What there is to compute with."""

    memory_bytes: int  # free, of one GPU or of the machine
    num_gpus: int  # 0: the CPU
    num_cores: int


@dataclass(frozen=True)
class Setting:
    """A key of a recipe, its value, and why it has this value."""

    key: str
    value: Any
    why: str = ""


def derive(
    data: DataFacts, detector: DetectorFacts, machine: MachineFacts, passes: float = PASSES
) -> list[Setting]:
    """Return the keys of a recipe that depend on the data and the machine.

    Args:
        data: at least one source with boxes.
        detector: to start from.
        machine: to train on.
        passes: over the images of the largest source of one's own.
    """
    batch = batch_size(machine.memory_bytes, detector.side_px)
    processes = max(1, machine.num_gpus)
    batches = batches_per_source(data.sources, batch, processes, passes)
    return [
        *_of_classes(data, detector),
        *_of_loading(data.sources, detector, machine, batch),
        *_of_schedule(len(data.sources), batches, batch * processes, detector),
        Setting("DATASETS.TEST", list(data.test_sets)),
    ]


def batch_size(memory_bytes: int, side_px: int) -> int:
    """Return how many images with boxes a process takes at once: a power of two.

    >>> batch_size(24 * 2**30, 640), batch_size(80 * 2**30, 640), batch_size(2**20, 640)
    (4, 8, 1)
    """
    fitting = MEMORY_SHARE * memory_bytes / (BYTES_PER_PIXEL * side_px**2)
    return 2 ** int(math.log2(min(max(fitting, 1), MAX_BATCH)))


def source_batch(kind: AnnotationKind, batch: int) -> int:
    """Return how many images of a source a batch has, where those of boxes have ``batch``."""
    return batch * (1 if kind.has_boxes else LABELS_PER_BOX_IMAGE)


def batches_per_source(
    sources: Sequence[SourceFacts], batch: int, processes: int, passes: float
) -> int:
    """Return how many batches of each source are drawn: enough for the largest of one's own.

    >>> boxes = SourceFacts("my_boxes", AnnotationKind.BOX, num_images=1200)
    >>> batches_per_source([boxes], batch=8, processes=1, passes=2.5)
    375
    """
    needed = [
        passes * s.num_images / (source_batch(s.kind, batch) * processes)
        for s in sources
        if s.is_own
    ]
    return min(max(math.ceil(max(needed)), MIN_BATCHES), MAX_BATCHES)


def learning_rate(detector: DetectorFacts, batch: int) -> float:
    """Return the rate for a batch: with AdamW it grows with the root of the batch, with SGD like it.

    Source: Malladi et al., On the SDEs and Scaling Rules for Adaptive Gradient Algorithms, arXiv
    2205.10287; Goyal et al., Accurate, Large Minibatch SGD, arXiv 1706.02677.
    """
    ratio = batch / detector.batch
    rate = RATE_FACTOR * detector.base_lr * (ratio**0.5 if detector.is_adaptive else ratio)
    return float(f"{rate:.2g}")


def _of_classes(data: DataFacts, detector: DetectorFacts) -> list[Setting]:
    num_federated = min(detector.num_federated, data.num_classes_with_boxes)
    return [
        Setting("MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH", "", "counted in the boxes of the run"),
        Setting(
            "MODEL.ROI_BOX_HEAD.FED_LOSS_NUM_CAT",
            num_federated,
            f"classes that an image is compared with; the detector's {detector.num_federated}, at "
            f"most the {data.num_classes_with_boxes} with boxes",
        ),
    ]


def _of_loading(
    sources: Sequence[SourceFacts], detector: DetectorFacts, machine: MachineFacts, batch: int
) -> list[Setting]:
    sizes = [source_batch(source.kind, batch) for source in sources]
    kinds = [source.kind for source in sources]
    gib = machine.memory_bytes / 2**30
    return [
        Setting("DATASETS.TRAIN", [source.name for source in sources]),
        Setting("DATALOADER.DATASET_ANN", [kind.value for kind in kinds]),
        Setting(
            "DATALOADER.DATASET_RATIO",
            [size // batch for size in sizes],
            "shares of the images; divided by DATASET_BS, as many batches of each source",
        ),
        Setting(
            "DATALOADER.DATASET_BS",
            sizes,
            f"images in a batch of one process; {gib:.1f} GiB are free, and an image takes about "
            f"{BYTES_PER_PIXEL // 1024} KiB a pixel",
        ),
        *(
            Setting(f"DATALOADER.{key}", [of_kind[kind] for kind in kinds])
            for key, of_kind in detector.resizing.items()
        ),
        Setting("DATALOADER.USE_RFS", [source.repeats_rare for source in sources]),
        Setting("DATALOADER.NUM_WORKERS", min(detector.num_workers, machine.num_cores)),
    ]


def _of_schedule(
    num_sources: int, batches: int, total_batch: int, detector: DetectorFacts
) -> list[Setting]:
    length = num_sources * batches
    how = "the root of the batch" if detector.is_adaptive else "the batch"
    period = length // EVALUATIONS if length >= LONG else 0
    return [
        Setting("SOLVER.MAX_ITER", length, f"{batches} batches of each of {num_sources} sources"),
        Setting(
            "SOLVER.BASE_LR",
            learning_rate(detector, total_batch),
            f"{RATE_FACTOR:g} x {detector.base_lr:g}, the detector's for {detector.batch} images, "
            f"scaled by {how} to {total_batch}",
        ),
        Setting("SOLVER.LR_REFERENCE_BATCH", 0, "BASE_LR is that of our batch already"),
        Setting("SOLVER.WARMUP_ITERS", round(WARMUP_SHARE * length)),
        Setting(
            "TEST.EVAL_PERIOD",
            period,
            "steps between evaluations" if period else "evaluated at the end only, as it is short",
        ),
    ]
