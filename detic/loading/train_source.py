"""What a recipe says about each of its training datasets, in one record per dataset."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from detectron2.config import CfgNode

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
    input_size: int  # EfficientDetResizeCrop: side of the crop, pixels
    input_scale: tuple[float, float]  # EfficientDetResizeCrop: range of the drawn scale
    min_sizes: tuple[int, ...]  # ResizeShortestEdge: shorter side, pixels
    max_size: int  # ResizeShortestEdge: limit of the longer side, pixels
    use_repeat_factors: bool  # see images with rare classes more often

    @property
    def datasets(self) -> tuple[str, ...]:
        """The registered datasets that make up the source."""
        return tuple(part.strip() for part in self.name.split(","))


def train_sources(cfg: CfgNode, world_size: int) -> tuple[TrainSource, ...]:
    """Return the sources of ``DATASETS.TRAIN`` in order.

    An entry may join datasets, as in ``"imagenet_lvis_v1,my_labels"``; they count as one source,
    and their images are drawn alike. Of the keys parallel to ``DATASETS.TRAIN``, those that the
    sampler and the augmentation of the recipe do not use are not looked at; the sources then share
    the values of ``INPUT`` and ``SOLVER.IMS_PER_BATCH``.

    Args:
        cfg: a whole configuration.
        world_size: number of processes that share ``SOLVER.IMS_PER_BATCH``.

    Raises:
        InputError: a list is shorter than ``DATASETS.TRAIN``, or a value is not usable.
    """
    names = list(cfg.DATASETS.TRAIN)
    if not names:
        raise InputError("DATASETS.TRAIN is empty; name at least one dataset")
    shared = _shared_values(cfg)
    parallel = _parallel_keys(cfg)
    if "batch_size" not in parallel:
        shared["batch_size"] = images_per_process(cfg, world_size)
    columns = {field: [value] * len(names) for field, value in shared.items()}
    for field, (key, convert) in parallel.items():
        columns[field] = _read_list(cfg, key, names, convert)
    return tuple(
        TrainSource(name=name, **{field: values[position] for field, values in columns.items()})
        for position, name in enumerate(names)
    )


def weighs_datasets(cfg: CfgNode) -> bool:
    """Return whether ``DATALOADER.SAMPLER_TRAIN`` draws datasets in given proportions.

    Raises:
        InputError: there is no such sampler.
    """
    name = cfg.DATALOADER.SAMPLER_TRAIN
    if MULTI_DATASET in name:
        return True
    if name not in SINGLE_STREAM_SAMPLERS:
        choices = (*SINGLE_STREAM_SAMPLERS, "MultiDatasetSampler")
        raise unknown_choice("sampler", name, choices, where="DATALOADER.SAMPLER_TRAIN")
    return False


def images_per_process(cfg: CfgNode, world_size: int) -> int:
    """Return how many of ``SOLVER.IMS_PER_BATCH`` images one process takes.

    Raises:
        InputError: they cannot be shared equally.
    """
    total = cfg.SOLVER.IMS_PER_BATCH
    if total < world_size or total % world_size:
        raise InputError(
            f"SOLVER.IMS_PER_BATCH is {total}, to be shared by {world_size} processes (those that "
            "accumulation stands for included); make it a multiple of that number"
        )
    return total // world_size


def _shared_values(cfg: CfgNode) -> dict[str, Any]:
    return {
        "kind": AnnotationKind.BOX,
        "ratio": 1.0,
        "input_size": cfg.INPUT.TRAIN_SIZE,
        "input_scale": tuple(cfg.INPUT.SCALE_RANGE),
        "min_sizes": tuple(cfg.INPUT.MIN_SIZE_TRAIN),
        "max_size": cfg.INPUT.MAX_SIZE_TRAIN,
        "use_repeat_factors": cfg.DATALOADER.SAMPLER_TRAIN == "RepeatFactorTrainingSampler",
    }


def _parallel_keys(cfg: CfgNode) -> dict[str, tuple[str, Callable]]:
    """Return the lists below DATALOADER that this recipe uses: (key, conversion) by field."""
    weighs, own_sizes = weighs_datasets(cfg), cfg.DATALOADER.USE_DIFF_BS_SIZE
    keys: dict[str, tuple[str, Callable]] = {}
    if weighs or cfg.WITH_IMAGE_LABELS:
        keys["kind"] = "DATASET_ANN", _kind
    if weighs:
        keys["ratio"] = "DATASET_RATIO", _positive
        keys["use_repeat_factors"] = "USE_RFS", bool
    if weighs and own_sizes:
        keys["batch_size"] = "DATASET_BS", _count
    if own_sizes and cfg.INPUT.CUSTOM_AUG == "EfficientDetResizeCrop":
        keys["input_size"] = "DATASET_INPUT_SIZE", _count
        keys["input_scale"] = "DATASET_INPUT_SCALE", _range
    if own_sizes and cfg.INPUT.CUSTOM_AUG == "ResizeShortestEdge":
        keys["min_sizes"] = "DATASET_MIN_SIZES", _counts
        keys["max_size"] = "DATASET_MAX_SIZES", _count
    return keys


def _read_list(cfg: CfgNode, key: str, names: Sequence[str], convert: Callable) -> list:
    values = cfg.DATALOADER[key]
    if len(values) < len(names):
        raise InputError(
            f"DATALOADER.{key} has {len(values)} entries, DATASETS.TRAIN has {len(names)}: there "
            f"is none for {names[len(values)]!r}; give one per dataset"
        )
    converted = []
    # The lists may be longer than needed: their defaults are for two datasets.
    for name, value in zip(names, values, strict=False):
        try:
            converted.append(convert(value))
        except (TypeError, ValueError) as error:
            message = f"DATALOADER.{key} has {value!r} for {name!r}; expected {error}"
            raise InputError(message) from error
    return converted


def _kind(value: str) -> AnnotationKind:
    choices = [kind.value for kind in AnnotationKind]
    if value not in choices:
        raise ValueError(f"one of {', '.join(choices)}")
    return AnnotationKind(value)


def _positive(value: float) -> float:
    if not isinstance(value, int | float) or value <= 0:
        raise ValueError("a number above 0")
    return float(value)


def _count(value: int) -> int:
    if not isinstance(value, int) or value <= 0:
        raise ValueError("a whole number above 0")
    return value


def _counts(values: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(values, list | tuple) or not values:
        raise ValueError("a list of whole numbers above 0")
    return tuple(map(_count, values))


def _range(values: Sequence[float]) -> tuple[float, float]:
    if not isinstance(values, list | tuple) or len(values) != 2 or not 0 < values[0] <= values[1]:
        raise ValueError("two numbers above 0, the lower one first")
    return tuple(values)
