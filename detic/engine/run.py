"""What train_net.py does in every process."""

import argparse
import logging
import os
import warnings
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.solver import build_lr_scheduler
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import EventWriter, TensorboardXWriter
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from detic.devices import choose_device
from detic.engine.checkpoints import TrainingCheckpoints
from detic.engine.ema import AveragedWeights
from detic.engine.ends import ended_by_sigterm, explained_ends, tell_full_disks_once
from detic.engine.evaluation import evaluate_model, flat_metrics
from detic.engine.logs import start_logging
from detic.engine.optimizer import build_optimizer
from detic.engine.output_folder import claimed_folder
from detic.engine.processes import run_processes
from detic.engine.progress import MetricsFile, ProgressLine
from detic.engine.resuming import last_to_evaluate
from detic.engine.resuming import resume as resume_newest
from detic.engine.step import TrainingStep
from detic.engine.test_sets import check_test_sets
from detic.engine.trainer import Trainer
from detic.engine.weights import load_initial_weights
from detic.errors import InputError
from detic.loading.build import build_train_loader
from detic.modeling import build_detector
from detic.modeling.build import DetectionModel
from detic.plan import EvaluationPlan, TrainPlan
from detic.plan.optimization import CheckpointParams
from detic.plan.weights import InitialWeights
from detic.recipes import load_recipe

logger = logging.getLogger(__name__)


def run_from_command_line(arguments: argparse.Namespace) -> None:
    """Train or evaluate as train_net.py's arguments say."""
    cfg = configure(arguments)
    if arguments.num_gpus == 0:
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
        InputError: a device is asked for and there is none, or there is nothing to evaluate on.
    """
    cfg = load_recipe(arguments.config_file, arguments.opts)
    if arguments.num_gpus == 0:
        cfg.MODEL.DEVICE = "cpu"
    elif cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():
        raise InputError("no GPU is available; use the CPU with --num-gpus 0")
    else:
        cfg.MODEL.DEVICE = str(choose_device(cfg.MODEL.DEVICE))
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

    Raises:
        InputError: as the parts do, or the memory does not suffice, or a process that reads images
            was killed.
    """
    output = Path(cfg.OUTPUT_DIR)
    tell_full_disks_once()  # as TensorBoard's thread would
    with ExitStack() as stack:
        stack.enter_context(ended_by_sigterm())
        stack.enter_context(explained_ends())
        if comm.is_main_process():
            stack.enter_context(claimed_folder(output, cfg.DATASETS.TEST))
        comm.synchronize()  # the others touch the folder when it is known to be free
        seed = common_seed(cfg.SEED)
        start_logging(output, cfg.dump())
        logger.info("output and configuration: %s (seed %d)", output, seed)
        seed_all_rng(seed)
        if eval_only:
            weights = weights_to_evaluate(
                InitialWeights.from_config(cfg),
                TrainingCheckpoints(output, CheckpointParams.from_config(cfg)),
                of_last_checkpoint=resume,
            )
            evaluate(EvaluationPlan.of_weights(cfg, weights), resume_eval)
        else:
            train(TrainPlan.from_config(cfg, seed), resume)


def common_seed(seed: int) -> int:
    """Return the main process's seed; torchrun's processes have each drawn one."""
    return comm.all_gather(seed)[0]


def weights_to_evaluate(
    weights: InitialWeights, checkpoints: TrainingCheckpoints, *, of_last_checkpoint: bool
) -> InitialWeights:
    """Return the weights of a recipe, or those of the training in its folder.

    Raises:
        InputError: there is no checkpoint of a training, or it is damaged.
    """
    folder = checkpoints.folder
    if not of_last_checkpoint:
        if checkpoints.exist() and Path(weights.path).resolve().parent != folder.resolve():
            logger.warning(
                "evaluating %s; for the last checkpoint in %s say --resume", weights.path, folder
            )
        return weights
    return replace(weights, path=str(last_to_evaluate(checkpoints)))


def evaluate(plan: EvaluationPlan, resume: bool) -> None:
    """Evaluate weights; ``resume``: skip the images of an interrupted evaluation."""
    check_test_sets(plan)
    model = build_detector(plan.cfg)
    load_initial_weights(plan.weights, model, purpose="inference")
    evaluate_model(plan, model, resume=resume)


def train(plan: TrainPlan, resume: bool) -> None:
    """Train; ``resume``: from the last checkpoint if there is one."""
    check_test_sets(plan.evaluation)
    trainer = build_trainer(plan, build_detector(plan.cfg))
    resumed_from = resume_newest(trainer) if resume else None
    if resumed_from is not None:
        logger.info("resumed from %s", resumed_from)
    elif resume:
        logger.warning("nothing to resume in %s; the training starts anew", plan.output_dir)
    elif trainer.checkpoints.exist():
        logger.warning("%s has checkpoints, which are replaced; --resume goes on", plan.output_dir)
    trainer.train()


def build_trainer(plan: TrainPlan, model: DetectionModel) -> Trainer:
    """Return a trainer of ``model``, whose initial weights are loaded."""
    load_initial_weights(plan.weights, model, purpose="train")
    if plan.compile_backbone:
        model.backbone.compile(dynamic=True)
    averaged = AveragedWeights(model, plan.ema_decay) if plan.ema_decay > 0 else None
    optimizer = build_optimizer(plan.cfg, model)
    first_rank = comm.get_rank() * plan.accumulate
    return Trainer(
        step=TrainingStep(
            _parallel(plan, model), optimizer, plan.precision, plan.accumulate, plan.seed
        ),
        scheduler=build_lr_scheduler(plan.cfg, optimizer),
        loader=build_train_loader(
            plan.data,
            ranks=range(first_rank, first_rank + plan.accumulate),
            world_size=comm.get_world_size() * plan.accumulate,
            seed=plan.seed,
        ),
        checkpoints=TrainingCheckpoints(plan.output_dir, plan.checkpoints),
        writers=_writers(plan),
        evaluate=lambda at_end: flat_metrics(evaluate_model(plan.evaluation, model, report=at_end)),
        averaged=averaged,
        loop=plan.loop,
    )


def _parallel(plan: TrainPlan, model: nn.Module) -> nn.Module:
    if comm.get_world_size() == 1:
        return model
    devices = [comm.get_local_rank()] if plan.device.startswith("cuda") else None
    with warnings.catch_warnings():
        # The argument's successor is not known to all releases of torch we support.
        warnings.filterwarnings("ignore", message=".*broadcast_buffers", category=FutureWarning)
        return DistributedDataParallel(
            model,
            device_ids=devices,
            broadcast_buffers=False,  # class embeddings are large and never change
            find_unused_parameters=plan.find_unused_parameters,
        )


def _writers(plan: TrainPlan) -> list[EventWriter]:
    if not comm.is_main_process():
        return []
    return [
        ProgressLine(plan.loop.max_iter),
        MetricsFile(plan.output_dir / "metrics.json"),
        TensorboardXWriter(str(plan.output_dir)),
    ]
