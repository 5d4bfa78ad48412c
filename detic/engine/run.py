"""What train_net.py does in every process."""

import argparse
import logging
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
import yaml
from detectron2.config import CfgNode
from detectron2.engine.defaults import create_ddp_model
from detectron2.solver import build_lr_scheduler
from detectron2.utils import comm
from detectron2.utils.events import EventWriter, TensorboardXWriter, get_event_storage
from torch import nn

from detic.engine.checkpoints import TrainingCheckpoints
from detic.engine.ema import AveragedWeights
from detic.engine.evaluation import evaluate_model, flat_metrics
from detic.engine.experiment_tracking import Tracker, build_tracker
from detic.engine.optimizer import build_optimizer
from detic.engine.progress import MetricsFile, ProgressLine
from detic.engine.resuming import last_to_evaluate
from detic.engine.resuming import resume as resume_newest
from detic.engine.session import device_of, drawn_if_negative, session, start
from detic.engine.shown_images import ShownImages
from detic.engine.step import TrainingStep
from detic.engine.test_sets import check_test_sets
from detic.engine.trainer import Trainer
from detic.engine.weights import load_initial_weights
from detic.errors import InputError
from detic.loading.build import build_train_loader
from detic.modeling import build_detector
from detic.modeling.build import DetectionModel
from detic.modeling.compilation import compile_backbone
from detic.plan import EvaluationPlan, TrainPlan
from detic.plan.optimization import CheckpointParams
from detic.plan.weights import InitialWeights
from detic.recipes import load_recipe

logger = logging.getLogger(__name__)


def run_from_command_line(arguments: argparse.Namespace) -> None:
    """Train or evaluate as train_net.py's arguments say."""
    cfg = configure(arguments)
    start(run, (cfg, arguments.eval_only, arguments.resume, arguments.resume_eval), arguments)


def configure(arguments: argparse.Namespace) -> CfgNode:
    """Return the recipe with what the command line changes in it.

    Raises:
        InputError: a device is asked for and there is none, or there is nothing to evaluate on.
    """
    cfg = load_recipe(arguments.config_file, arguments.opts)
    cfg.MODEL.DEVICE = device_of(cfg.MODEL.DEVICE, arguments.num_gpus)
    if arguments.eval_only and not cfg.DATASETS.TEST:
        raise InputError("nothing to evaluate on: DATASETS.TEST is empty")
    if arguments.allow_partial:
        cfg.MODEL.ALLOW_PARTIAL_WEIGHTS = True
    cfg.SEED = drawn_if_negative(cfg.SEED)
    cfg.freeze()
    return cfg


def run(cfg: CfgNode, eval_only: bool, resume: bool, resume_eval: bool) -> None:
    """Train ``cfg``, or evaluate its weights, in this process of the job.

    Args:
        resume: continue the training in OUTPUT_DIR, or evaluate its last checkpoint.
        resume_eval: skip the images that an interrupted evaluation has finished.

    Raises:
        InputError: as the parts do.
    """
    output = Path(cfg.OUTPUT_DIR)
    with session(output, cfg.dump(), cfg.SEED, cfg.DATASETS.TEST) as seed:
        if eval_only:
            weights = weights_to_evaluate(
                InitialWeights.from_config(cfg),
                TrainingCheckpoints(output, CheckpointParams.from_config(cfg)),
                of_last_checkpoint=resume,
            )
            evaluate(EvaluationPlan.of_weights(cfg, weights), resume_eval)
        else:
            train(TrainPlan.from_config(cfg, seed), resume)


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
    run_trainer(build_trainer(plan, build_detector(plan.cfg)), resume)


def run_trainer(trainer: Trainer, resume: bool) -> None:
    """Train from the beginning, or from the last checkpoint in the trainer's folder."""
    folder = trainer.checkpoints.folder
    resumed_from = resume_newest(trainer) if resume else None
    if resumed_from is not None:
        logger.info("resumed from %s", resumed_from)
    elif resume:
        logger.warning("nothing to resume in %s; the training starts anew", folder)
    elif trainer.checkpoints.exist():
        logger.warning("%s has checkpoints, which are replaced; --resume goes on", folder)
    trainer.train()


def build_trainer(plan: TrainPlan, model: DetectionModel) -> Trainer:
    """Return a trainer of ``model``, whose initial weights are loaded."""
    load_initial_weights(plan.weights, model, purpose="train")
    if plan.compile_backbone:
        compile_backbone(model)
    averaged = AveragedWeights(model, plan.ema_decay) if plan.ema_decay > 0 else None
    optimizer = build_optimizer(plan.cfg, model)
    first_rank = comm.get_rank() * plan.accumulate
    reporters = [*trackers(plan), *writers(plan.output_dir, plan.loop.max_iter)]
    return Trainer(
        step=TrainingStep(
            parallel(
                model,
                plan.device,
                broadcast_buffers=False,  # class embeddings are large and never change
                find_unused_parameters=plan.find_unused_parameters,
            ),
            optimizer,
            plan.precision,
            plan.accumulate,
            plan.seed,
        ),
        scheduler=build_lr_scheduler(plan.cfg, optimizer),
        loader=build_train_loader(
            plan.data,
            ranks=range(first_rank, first_rank + plan.accumulate),
            world_size=comm.get_world_size() * plan.accumulate,
            seed=plan.seed,
        ),
        checkpoints=TrainingCheckpoints(plan.output_dir, plan.checkpoints),
        writers=reporters,
        evaluate=partial(evaluate_and_show, plan.evaluation, model, reporters),
        averaged=averaged,
        loop=plan.loop,
    )


def evaluate_and_show(
    plan: EvaluationPlan, model: DetectionModel, reporters: Sequence[EventWriter], at_end: bool
) -> dict[str, float]:
    """Return the metrics of a model in training; some images are drawn for its reporters.

    Args:
        at_end: whether the training is over.
    """
    shown = ShownImages(plan.shown_images, plan.cfg.INPUT.FORMAT)
    metrics = flat_metrics(evaluate_model(plan, model, report=at_end, look=shown.look))
    storage = get_event_storage()
    for name, image in shown:
        storage.put_image(name, torch.from_numpy(image).permute(2, 0, 1))
        for reporter in reporters:
            if isinstance(reporter, Tracker):
                reporter.put_image(name, image, storage.iter)
    return metrics


def parallel(model: nn.Module, device: str, **options: bool) -> nn.Module:
    """Return a model whose gradients are averaged over all processes, itself if there is one.

    Args:
        options: of detectron2's create_ddp_model.
    """
    devices = [comm.get_local_rank()] if device.startswith("cuda") else None
    with warnings.catch_warnings():
        # The argument's successor is not known to all releases of torch we support.
        warnings.filterwarnings("ignore", message=".*broadcast_buffers", category=FutureWarning)
        return create_ddp_model(model, device_ids=devices, **options)


def trackers(plan: TrainPlan) -> list[EventWriter]:
    """Return what reports a training to the service that its recipe names, in the main process."""
    if not plan.tracking or not comm.is_main_process():
        return []
    return [build_tracker(plan.tracking, plan.output_dir, yaml.safe_load(plan.cfg.dump()))]


def writers(folder: Path, max_iter: int) -> list[EventWriter]:
    """Return what reports a training of so many iterations, in the main process."""
    if not comm.is_main_process():
        return []
    return [
        ProgressLine(max_iter),
        MetricsFile(folder / "metrics.json"),
        TensorboardXWriter(str(folder)),
    ]
