"""What a recipe says about its training datasets, in one record per dataset."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from detic.annotation import AnnotationKind
from detic.errors import InputError, unknown_choice

MULTI_DATASET = "MultiDataset"  # part of the name of every sampler that weighs datasets
SINGLE_STREAM_SAMPLERS = ("TrainingSampler", "RepeatFactorTrainingSampler")


@dataclass(frozen=True)
class TrainSource:
    """One entry of ``DATASETS.TRAIN``: its images share annotation kind, batches and sizes."""

    name: str  # as in DATASETS.TRAIN; "a,b" is the union of the datasets a and b
    kind: AnnotationKind
    ratio: float  # share of the images drawn, relative to those of the other sources
    batch_size: int  # images per batch of one process
    # EfficientDetResizeCrop, LargeScaleJitter:
    input_size: int  # side of the crop, pixels
    input_scale: tuple[float, float]  # range of the drawn scale
    # ResizeShortestEdge, DETR:
    min_sizes: tuple[int, ...]  # shorter side, pixels
    max_size: int  # limit of the longer side, pixels
    use_repeat_factors: bool  # see images with rare classes more often

    @property
    def datasets(self) -> tuple[str, ...]:
        """The registered datasets that make up the source."""
        return tuple(part.strip() for part in self.name.split(","))


@dataclass(frozen=True)
class TrainSources:
    """The entries of ``DATASETS.TRAIN`` in order, and how their images are drawn and batched."""

    entries: tuple[TrainSource, ...]
    are_weighed: bool = False  # drawn by ratio; else all images are one stream
    share_batches: bool = True  # a batch may have images of several sources
    images_per_batch: int = 0  # of one process, where sources share batches
    group_by_shape: bool = True  # a batch has images of one orientation

    @classmethod
    def from_config(cls, cfg, world_size: int) -> "TrainSources":
        """Return the sources of a recipe.

        An entry may join datasets, as in ``"imagenet_lvis_v1,my_labels"``; they count as one
        source, and their images are drawn alike. Of the keys parallel to ``DATASETS.TRAIN``, those
        that the sampler and the augmentation of the recipe do not use are not looked at; the
        sources then share the values of ``INPUT`` and ``SOLVER.IMS_PER_BATCH``.

        Args:
            cfg: a whole configuration.
            world_size: number of processes that share ``SOLVER.IMS_PER_BATCH``.

        Raises:
            InputError: a list is not as long as ``DATASETS.TRAIN``, or batches would mix kinds of
                annotation.
        """
        node = cfg.DATALOADER
        names = list(cfg.DATASETS.TRAIN)
        if not names:
            raise InputError("DATASETS.TRAIN is empty; name at least one dataset")
        _check_loss_weights(cfg.MODEL.DATASET_LOSS_WEIGHT, names)
        weighed = weighs_datasets(node.SAMPLER_TRAIN)
        shared = {
            "kind": AnnotationKind.BOX,
            "ratio": 1.0,
            "input_size": cfg.INPUT.TRAIN_SIZE,
            "input_scale": tuple(cfg.INPUT.SCALE_RANGE),
            "min_sizes": tuple(cfg.INPUT.MIN_SIZE_TRAIN),
            "max_size": cfg.INPUT.MAX_SIZE_TRAIN,
            "use_repeat_factors": node.SAMPLER_TRAIN == "RepeatFactorTrainingSampler",
        }
        parallel = _parallel_keys(
            resize=cfg.INPUT.CUSTOM_AUG if node.USE_DIFF_BS_SIZE else None,
            weighed=weighed,
            has_kinds=weighed or cfg.WITH_IMAGE_LABELS,
        )
        separate = weighed and node.MULTI_DATASET_GROUPING
        images_per_batch = 0
        if "batch_size" not in parallel or not separate:
            images_per_batch = images_per_process(cfg.SOLVER.IMS_PER_BATCH, world_size)
        if "batch_size" not in parallel:
            shared["batch_size"] = images_per_batch
        columns = {field: [value] * len(names) for field, value in shared.items()}
        _check_lengths({key: node[key] for key, _ in parallel.values()}, names)
        for field, (key, convert) in parallel.items():
            columns[field] = [convert(value) for value in node[key][: len(names)]]
        entries = tuple(
            TrainSource(name=name, **{field: values[i] for field, values in columns.items()})
            for i, name in enumerate(names)
        )
        _check_kinds(entries, separate)
        by_shape = separate or node.ASPECT_RATIO_GROUPING
        return cls(entries, weighed, not separate, images_per_batch, by_shape)

    @property
    def datasets(self) -> list[str]:
        """The registered datasets of all sources."""
        return [name for source in self.entries for name in source.datasets]


def weighs_datasets(sampler: str) -> bool:
    """Return whether ``DATALOADER.SAMPLER_TRAIN`` draws datasets in given proportions.

    Raises:
        InputError: there is no such sampler.
    """
    if MULTI_DATASET in sampler:
        return True
    if sampler not in SINGLE_STREAM_SAMPLERS:
        choices = (*SINGLE_STREAM_SAMPLERS, "MultiDatasetSampler")
        raise unknown_choice("sampler", sampler, choices, where="DATALOADER.SAMPLER_TRAIN")
    return False


def images_per_process(total: int, world_size: int) -> int:
    """Return how many of ``SOLVER.IMS_PER_BATCH`` images one process takes.

    Raises:
        InputError: they cannot be shared equally.
    """
    if total < world_size or total % world_size:
        raise InputError(
            f"SOLVER.IMS_PER_BATCH is {total}, to be shared by {world_size} processes (those that "
            "accumulation stands for included); make it a multiple of that number"
        )
    return total // world_size


def _parallel_keys(
    *, resize: str | None, weighed: bool, has_kinds: bool
) -> dict[str, tuple[str, Callable]]:
    """Return the lists below DATALOADER that a recipe uses: (key, conversion) by field.

    Args:
        resize: ``INPUT.CUSTOM_AUG`` if each source has sizes of its own, else None.
        weighed: sources are drawn in given proportions.
        has_kinds: sources say what they are annotated with.
    """
    keys: dict[str, tuple[str, Callable]] = {}
    if has_kinds:
        keys["kind"] = "DATASET_ANN", AnnotationKind
    if weighed:
        keys["ratio"] = "DATASET_RATIO", float
        keys["use_repeat_factors"] = "USE_RFS", bool
    if weighed and resize is not None:
        keys["batch_size"] = "DATASET_BS", int
    if resize in ("EfficientDetResizeCrop", "LargeScaleJitter"):
        keys["input_size"] = "DATASET_INPUT_SIZE", int
        keys["input_scale"] = "DATASET_INPUT_SCALE", tuple
    if resize in ("ResizeShortestEdge", "DETR"):
        keys["min_sizes"] = "DATASET_MIN_SIZES", tuple
        keys["max_size"] = "DATASET_MAX_SIZES", int
    return keys


def _check_lengths(lists: Mapping[str, Sequence], names: Sequence[str]) -> None:
    """Check that lists below DATALOADER have an entry per dataset; they may have more of a base."""
    count = len(names)
    for key, values in lists.items():
        if len(values) < count:
            raise InputError(
                f"DATALOADER.{key} has {len(values)} entries, DATASETS.TRAIN has {count}: there "
                f"is none for {names[len(values)]!r}; give one per dataset"
            )


def _check_loss_weights(weights: Sequence[float], names: Sequence[str]) -> None:
    if weights and len(weights) < len(names):
        raise InputError(
            f"MODEL.DATASET_LOSS_WEIGHT has {len(weights)} entries, DATASETS.TRAIN has {len(names)}; "
            "give one per dataset"
        )


def _check_kinds(sources: Sequence[TrainSource], separate: bool) -> None:
    """Check that no batch mixes kinds of annotation."""
    if len({source.kind for source in sources}) > 1 and not separate:
        raise InputError(
            "DATALOADER.DATASET_ANN has different kinds, which must not share a batch; set "
            "DATALOADER.MULTI_DATASET_GROUPING to True with a MultiDatasetSampler"
        )
