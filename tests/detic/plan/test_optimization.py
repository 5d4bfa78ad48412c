"""Learning rate, precision and length of a training."""

import pytest

from detic.errors import InputError
from detic.plan.optimization import LearningRate, LoopParams, PrecisionParams
from detic.recipes import default_config


def config(*overrides):
    cfg = default_config()
    cfg.merge_from_list(["SOLVER.BASE_LR", 0.1, *overrides])
    return cfg


def test_rate_scales_with_the_total_batch_on_request():
    cfg = config("SOLVER.IMS_PER_BATCH", 16, "SOLVER.LR_REFERENCE_BATCH", 64)
    assert LearningRate.from_config(cfg, world_size=1).scaled == pytest.approx(0.025)
    assert LearningRate.from_config(config(), world_size=1).scaled == 0.1


def test_rate_counts_processes_and_accumulation_with_batches_per_dataset():
    cfg = config(
        *("DATALOADER.USE_DIFF_BS_SIZE", True, "DATALOADER.DATASET_BS", [4, 16]),
        *("SOLVER.LR_REFERENCE_BATCH", 32),
    )
    assert LearningRate.from_config(cfg, world_size=4).scaled == pytest.approx(0.05)


def test_training_may_stop_before_its_schedule_ends():
    assert LoopParams.from_config(config("SOLVER.MAX_ITER", 9)).max_iter == 9
    shorter = config("SOLVER.MAX_ITER", 9, "SOLVER.TRAIN_ITER", 4)
    assert LoopParams.from_config(shorter).max_iter == 4


def test_unknown_precision_is_refused():
    cfg = default_config()
    cfg.SOLVER.AMP.DTYPE = "float8"
    with pytest.raises(InputError, match="choose float16 or bfloat16"):
        PrecisionParams.from_config(cfg)


@pytest.mark.parametrize(("dtype", "scales"), [("float16", True), ("bfloat16", False)])
def test_only_float16_scales_gradients(dtype, scales):
    cfg = default_config()
    cfg.SOLVER.AMP.ENABLED = True
    cfg.SOLVER.AMP.DTYPE = dtype
    assert PrecisionParams.from_config(cfg).scale_gradients == scales
