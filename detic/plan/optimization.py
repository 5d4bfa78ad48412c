"""How a training optimizes: learning rate, precision, length, checkpoints."""

from dataclasses import dataclass

import torch

from detic.errors import InputError


@dataclass(frozen=True)
class LearningRate:
    """The first learning rate, and the batch it was chosen for."""

    base: float
    reference_batch: int  # images of the batch that ``base`` was chosen for; 0: whatever ours is
    batch: int  # images of ours: of the first source, over all processes

    @classmethod
    def from_config(cls, cfg, world_size: int) -> "LearningRate":
        """``world_size``: processes, those that accumulation stands for included."""
        node = cfg.SOLVER
        batch = node.IMS_PER_BATCH
        if cfg.DATALOADER.USE_DIFF_BS_SIZE:
            batch = cfg.DATALOADER.DATASET_BS[0] * world_size
        return cls(node.BASE_LR, node.LR_REFERENCE_BATCH, batch)

    @property
    def scaled(self) -> float:
        """The rate for our batch."""
        if self.reference_batch <= 0:
            return self.base
        return self.base * self.batch / self.reference_batch


@dataclass(frozen=True)
class PrecisionParams:
    """Automatic mixed precision."""

    whole_model: bool = False  # else at most the backbone, which the model arranges itself
    dtype: torch.dtype = torch.float16
    scale_gradients: bool = False  # float16 gradients would underflow

    @classmethod
    def from_config(cls, cfg) -> "PrecisionParams":
        dtypes = {"float16": torch.float16, "bfloat16": torch.bfloat16}
        name = cfg.SOLVER.AMP.DTYPE
        if name not in dtypes:
            raise InputError(f"unknown SOLVER.AMP.DTYPE {name!r}; choose {' or '.join(dtypes)}")
        on_gpu = cfg.MODEL.DEVICE.startswith("cuda")
        half_floats = cfg.FP16 or (cfg.SOLVER.AMP.ENABLED and name == "float16")
        return cls(cfg.SOLVER.AMP.ENABLED, dtypes[name], on_gpu and half_floats)


@dataclass(frozen=True)
class LoopParams:
    """How long to train and what to do on the way."""

    max_iter: int
    eval_period: int = 0  # iterations; 0: only at the end

    @classmethod
    def from_config(cls, cfg) -> "LoopParams":
        limit, length = cfg.SOLVER.TRAIN_ITER, cfg.SOLVER.MAX_ITER
        return cls(length if limit < 0 else min(limit, length), cfg.TEST.EVAL_PERIOD)


@dataclass(frozen=True)
class CheckpointParams:
    """How often a training is saved, and what stays of it."""

    period: int  # iterations between checkpoints that stay
    minutes: float  # between rolling ones, which replace each other; 0: none
    keep: int = 0  # how many of the periodic ones stay; 0: all

    @classmethod
    def from_config(cls, cfg) -> "CheckpointParams":
        node = cfg.SOLVER
        return cls(node.CHECKPOINT_PERIOD, node.CHECKPOINT_MINUTES, node.CHECKPOINT_KEEP)
