"""What is trained: data, schedule, precision, the weights to start from, the evaluations."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.utils import comm

from detic.config import with_values
from detic.datasets.own_data import OwnData
from detic.loading.build import TrainData
from detic.plan.evaluation import EvaluationPlan
from detic.plan.frequencies import FrequencyFile
from detic.plan.optimization import CheckpointParams, LearningRate, LoopParams, PrecisionParams
from detic.plan.source_options import check_training_options
from detic.plan.weights import InitialWeights

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TrainPlan:
    """What a training does, in every process of the job."""

    cfg: CfgNode  # settled; for Detectron2's from_config and solver alone
    output_dir: Path
    device: str
    seed: int  # decides everything that is random, the same in all processes
    weights: InitialWeights
    data: TrainData
    evaluation: EvaluationPlan
    precision: PrecisionParams
    loop: LoopParams
    checkpoints: CheckpointParams
    accumulate: int = 1  # batches of a process that make a step
    ema_decay: float = 0.0  # of averaged weights; 0: none
    compile_backbone: bool = False
    tracking: str = ""  # a key of detic.engine.experiment_tracking.SERVICES; "": none
    find_unused_parameters: bool = True  # of DistributedDataParallel

    @classmethod
    def from_config(cls, cfg, seed: int) -> "TrainPlan":
        """Return the training of a recipe; all processes of the job call this together.

        Raises:
            InputError: the recipe contradicts itself, the data cannot be loaded, or a file does not
                fit.
        """
        accumulate = cfg.SOLVER.ACCUMULATE
        world_size = comm.get_world_size() * accumulate
        OwnData.from_config(cfg).register()
        check_training_options(cfg)
        frequencies_are_counted = not cfg.MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH
        cfg = _settled(cfg, world_size)
        return cls(
            cfg=cfg,
            output_dir=Path(cfg.OUTPUT_DIR),
            device=cfg.MODEL.DEVICE,
            seed=seed,
            weights=replace(
                InitialWeights.from_config(cfg), frequencies_are_counted=frequencies_are_counted
            ),
            data=TrainData.from_config(cfg, world_size),
            evaluation=EvaluationPlan.from_config(cfg),
            precision=PrecisionParams.from_config(cfg),
            loop=LoopParams.from_config(cfg),
            checkpoints=CheckpointParams.from_config(cfg),
            accumulate=accumulate,
            ema_decay=cfg.SOLVER.EMA_DECAY,
            tracking=cfg.TRACKING,
            compile_backbone=cfg.MODEL.COMPILE_BACKBONE,
            find_unused_parameters=cfg.FIND_UNUSED_PARAM,
        )


def _settled(cfg: CfgNode, world_size: int) -> CfgNode:
    """Return ``cfg`` with what a recipe may leave open: learning rate and class frequencies."""
    rate = LearningRate.from_config(cfg, world_size)
    if rate.scaled != rate.base:
        logger.info(
            "BASE_LR %g for batches of %d becomes %g for batches of %d",
            rate.base,
            rate.reference_batch,
            rate.scaled,
            rate.batch,
        )
    frequencies = FrequencyFile.from_config(cfg, world_size).settled()
    return with_values(
        cfg,
        {"SOLVER.BASE_LR": rate.scaled, "MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH": frequencies},
    )
