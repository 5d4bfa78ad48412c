"""What train_net.py does in every process."""

import argparse
import logging
import os
import warnings
from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.solver import build_lr_scheduler
from detectron2.utils import comm
from detectron2.utils.collect_env import collect_env_info
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import JSONWriter, TensorboardXWriter
from detectron2.utils.logger import setup_logger
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from detic.engine.checkpoints import TrainingCheckpoints, load_training_state
from detic.engine.ema import AveragedWeights
from detic.engine.evaluation import evaluate_model, flat_metrics
from detic.engine.frequencies import with_class_frequencies
from detic.engine.optimizer import build_optimizer, scaled_learning_rate
from detic.engine.processes import run_processes
from detic.engine.progress import ProgressLine
from detic.engine.step import PrecisionParams, TrainingStep
from detic.engine.trainer import LoopParams, Trainer
from detic.engine.weights import load_initial_weights, with_classes_of_weights
from detic.errors import InputError
from detic.files import write_text
from detic.loading.build import build_train_loader
from detic.modeling import build_detector, without_training_parts
from detic.recipes import load_recipe

logger = logging.getLogger(__name__)


def run_from_command_line(arguments: argparse.Namespace) -> None:
    """Train or evaluate as train_net.py's arguments say."""
    cfg = configure(arguments)
    if cfg.MODEL.DEVICE == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # else processes of a job would talk over GPUs
    run_processes(
        run,
        (cfg, arguments.eval_only, arguments.resume, arguments.resume_eval),
        num_gpus=arguments.num_gpus,
        num_machines=arguments.num_machines,
        machine_rank=arguments.machine_rank,
        dist_url=arguments.dist_url,
    )


def configure(arguments: argparse.Namespace) -> CfgNode:
    """Return the recipe with what the command line changes in it.

    Raises:
        InputError: a GPU is asked for and there is none, or there is nothing to evaluate on.
    """
    cfg = load_recipe(arguments.config_file, arguments.opts)
    if arguments.num_gpus == 0:
        cfg.MODEL.DEVICE = "cpu"
    elif cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():
        raise InputError("no GPU is available; use the CPU with --num-gpus 0")
    if arguments.eval_only and not cfg.DATASETS.TEST:
        raise InputError("nothing to evaluate on: DATASETS.TEST is empty")
    if arguments.allow_partial:
        cfg.MODEL.ALLOW_PARTIAL_WEIGHTS = True
    if cfg.SEED < 0:
        cfg.SEED = int.from_bytes(os.urandom(4), "little") >> 1
    cfg.freeze()
    return cfg


def run(cfg: CfgNode, eval_only: bool, resume: bool, resume_eval: bool) -> None:
    """Train ``cfg``, or evaluate its weights, in this process of the job.

    Args:
        resume: continue the training in OUTPUT_DIR, or evaluate its last checkpoint.
        resume_eval: skip the images that an interrupted evaluation has finished.
    """
    cfg = _with_common_seed(cfg)
    _start_logging(cfg)
    seed_all_rng(cfg.SEED)
    if eval_only:
        _evaluate(_with_last_checkpoint(cfg) if resume else cfg, resume_eval)
    else:
        _train(with_class_frequencies(cfg), resume)


def _evaluate(cfg: CfgNode, resume: bool) -> None:
    output = Path(cfg.OUTPUT_DIR)
    if _checkpoints(cfg).exist() and Path(cfg.MODEL.WEIGHTS).resolve().parent != output.resolve():
        logger.warning(
            "evaluating %s; for the last checkpoint in %s say --resume", cfg.MODEL.WEIGHTS, output
        )
    cfg = with_classes_of_weights(without_training_parts(cfg))
    model = build_detector(cfg)
    load_initial_weights(cfg, model, purpose="inference")
    evaluate_model(cfg, model, resume=resume)


def _train(cfg: CfgNode, resume: bool) -> None:
    trainer = build_trainer(cfg, build_detector(cfg))
    newest = trainer.checkpoints.newest() if resume else None
    if newest is not None:
        trainer.load_state_dict(load_training_state(newest))
        logger.info("resumed from %s", newest)
    elif resume:
        logger.warning("nothing to resume in %s; the training starts anew", cfg.OUTPUT_DIR)
    elif trainer.checkpoints.exist():
        logger.warning("%s has checkpoints, which are replaced; --resume goes on", cfg.OUTPUT_DIR)
    trainer.train()


def _checkpoints(cfg: CfgNode) -> TrainingCheckpoints:
    return TrainingCheckpoints(
        cfg.OUTPUT_DIR, cfg.SOLVER.CHECKPOINT_PERIOD, cfg.SOLVER.CHECKPOINT_MINUTES
    )


def _with_last_checkpoint(cfg: CfgNode) -> CfgNode:
    """Return ``cfg`` with the last checkpoint of its training as weights.

    Raises:
        InputError: there is none.
    """
    newest = _checkpoints(cfg).newest()
    if newest is None:
        raise InputError(
            f"no checkpoint to evaluate in {cfg.OUTPUT_DIR}; leave out --resume to evaluate "
            "MODEL.WEIGHTS"
        )
    continued = cfg.clone()
    continued.defrost()
    continued.MODEL.WEIGHTS = str(newest)
    continued.freeze()
    return continued


def _with_common_seed(cfg: CfgNode) -> CfgNode:
    """Return ``cfg`` with the main process's seed; torchrun's processes have each drawn one."""
    common = cfg.clone()
    common.defrost()
    common.SEED = comm.all_gather(cfg.SEED)[0]
    common.freeze()
    return common


def build_trainer(cfg: CfgNode, model: nn.Module) -> Trainer:
    """Return a trainer of ``model``, whose initial weights are loaded."""
    load_initial_weights(cfg, model, purpose="train")
    if cfg.MODEL.COMPILE_BACKBONE:
        model.backbone.compile(dynamic=True)
    averaged = AveragedWeights(model, cfg.SOLVER.EMA_DECAY) if cfg.SOLVER.EMA_DECAY > 0 else None
    cfg = scaled_learning_rate(cfg, comm.get_world_size())
    optimizer = build_optimizer(cfg, model)
    parallel = _parallel(cfg, model)
    return Trainer(
        step=TrainingStep(
            parallel, optimizer, PrecisionParams.from_config(cfg), cfg.SOLVER.ACCUMULATE, cfg.SEED
        ),
        scheduler=build_lr_scheduler(cfg, optimizer),
        loader=build_train_loader(
            cfg,
            rank=comm.get_rank(),
            world_size=comm.get_world_size(),
            accumulate=cfg.SOLVER.ACCUMULATE,
        ),
        checkpoints=_checkpoints(cfg),
        writers=_writers(cfg),
        evaluate=lambda at_end: flat_metrics(evaluate_model(cfg, model, report=at_end)),
        averaged=averaged,
        loop=LoopParams(_last_iteration(cfg), cfg.TEST.EVAL_PERIOD),
    )


def _parallel(cfg: CfgNode, model: nn.Module) -> nn.Module:
    if comm.get_world_size() == 1:
        return model
    devices = [comm.get_local_rank()] if cfg.MODEL.DEVICE.startswith("cuda") else None
    with warnings.catch_warnings():
        # The argument's successor is not known to all releases of torch we support.
        warnings.filterwarnings("ignore", message=".*broadcast_buffers", category=FutureWarning)
        return DistributedDataParallel(
            model,
            device_ids=devices,
            broadcast_buffers=False,  # class embeddings are large and never change
            find_unused_parameters=cfg.FIND_UNUSED_PARAM,
        )


def _last_iteration(cfg: CfgNode) -> int:
    limit = cfg.SOLVER.TRAIN_ITER
    return cfg.SOLVER.MAX_ITER if limit < 0 else min(limit, cfg.SOLVER.MAX_ITER)


def _writers(cfg: CfgNode) -> list:
    if not comm.is_main_process():
        return []
    return [
        ProgressLine(_last_iteration(cfg)),
        JSONWriter(os.path.join(cfg.OUTPUT_DIR, "metrics.json")),
        TensorboardXWriter(cfg.OUTPUT_DIR),
    ]


def _start_logging(cfg: CfgNode) -> None:
    """Log to stdout and OUTPUT_DIR/log.txt; keep the configuration beside it."""
    output = Path(cfg.OUTPUT_DIR)
    if comm.is_main_process():
        write_text(output / "config.yaml", cfg.dump())
    comm.synchronize()
    for name in ("detic", "centernet", "detectron2", "fvcore"):
        setup_logger(str(output), distributed_rank=comm.get_rank(), name=name)
    logger.info("output and configuration: %s (seed %d)", output, cfg.SEED)
    logger.debug("environment:\n%s", collect_env_info())
