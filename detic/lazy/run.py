"""What train_net.py does with a Python recipe, in every process."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from detectron2.config import instantiate
from detectron2.evaluation import DatasetEvaluator, inference_on_dataset, print_csv_format
from detectron2.solver import LRMultiplier
from detectron2.utils import comm
from torch import nn

from detic.checkpoint import load_weights
from detic.engine.checkpoints import TrainingCheckpoints
from detic.engine.evaluation import Results, flat_metrics
from detic.engine.resuming import last_to_evaluate
from detic.engine.run import parallel, run_trainer, writers
from detic.engine.session import device_of, drawn_if_negative, session, start
from detic.engine.step import TrainingStep
from detic.engine.trainer import Trainer
from detic.errors import InputError
from detic.evaluation import build_evaluator
from detic.lazy.loader import PlainLoader
from detic.lazy.recipe import RunParams, as_yaml, check_omegaconf, load_python_recipe
from detic.paths import as_file_name

if TYPE_CHECKING:
    from omegaconf import DictConfig


@dataclass(frozen=True)
class Request:
    """What a command line asks for."""

    path: str  # of the recipe; each process runs it
    overrides: tuple[str, ...]
    num_gpus: int
    seed: int  # for a recipe without one
    eval_only: bool = False
    resume: bool = False
    allow_partial: bool = False


def run_from_command_line(arguments: argparse.Namespace) -> None:
    """Train or evaluate a Python recipe as train_net.py's arguments say."""
    if arguments.resume_eval:
        raise InputError("--resume-eval goes with YAML recipes; leave it out")
    check_omegaconf()
    request = Request(
        path=arguments.config_file,
        overrides=tuple(arguments.opts),
        num_gpus=arguments.num_gpus,
        seed=drawn_if_negative(-1),
        eval_only=arguments.eval_only,
        resume=arguments.resume,
        allow_partial=arguments.allow_partial,
    )
    start(run, (request,), arguments)


def run(request: Request) -> None:
    """Train or evaluate in this process of the job.

    Raises:
        InputError: as the parts do.
    """
    cfg = load_python_recipe(request.path, request.overrides)
    params = RunParams.from_recipe(cfg, partial(device_of, num_gpus=request.num_gpus))
    seed = request.seed if params.seed < 0 else params.seed
    _check(cfg, request)
    with session(params.output_dir, as_yaml(cfg), seed) as seed:
        model = instantiate(cfg.model).to(params.device)
        if request.eval_only:
            evaluate_weights(cfg, params, model, request)
        else:
            run_trainer(build_trainer(cfg, params, model, seed, request), request.resume)


def _check(cfg: "DictConfig", request: Request) -> None:
    """Refuse what would only show after the model has been built, or at the first evaluation.

    Raises:
        InputError: names the section.
    """
    if request.eval_only and "test" not in cfg.dataloader:
        raise InputError("nothing to evaluate on: the recipe has no dataloader.test")
    if not request.eval_only and "train" not in cfg.dataloader:
        raise InputError("nothing to train on: the recipe has no dataloader.train")
    if not request.eval_only and "params" not in cfg.optimizer:
        raise InputError(
            "optimizer.params is missing; it makes parameters of optimizer.params.model"
        )
    names = _test_sets(cfg.dataloader)
    if "test" in cfg.dataloader and not cfg.dataloader.get("evaluator") and len(names) != 1:
        raise InputError(
            f"dataloader.test.dataset.names has {len(names)} datasets; name one, or say in "
            "dataloader.evaluator how they are scored"
        )


def build_trainer(
    cfg: "DictConfig", params: RunParams, model: nn.Module, seed: int, request: Request
) -> Trainer:
    """Return a trainer of ``model``, whose initial weights are loaded.

    Raises:
        InputError: the weights do not fit.
    """
    if params.weights:
        load_weights(model, params.weights, purpose="train", allow_partial=request.allow_partial)
    cfg.optimizer.params.model = model
    optimizer = instantiate(cfg.optimizer)
    wrapped = parallel(model, params.device, **params.parallel)
    return Trainer(
        step=TrainingStep(wrapped, optimizer, params.precision, accumulate=1, seed=seed),
        scheduler=LRMultiplier(
            optimizer, multiplier=instantiate(cfg.lr_multiplier), max_iter=params.loop.max_iter
        ),
        loader=PlainLoader(lambda: instantiate(cfg.dataloader.train), seed),
        checkpoints=TrainingCheckpoints(params.output_dir, params.checkpoints),
        writers=writers(params.output_dir, params.loop.max_iter),
        evaluate=lambda at_end: flat_metrics(evaluate(cfg, params, model, report=at_end)),
        averaged=None,
        loop=params.loop,
    )


def evaluate_weights(
    cfg: "DictConfig", params: RunParams, model: nn.Module, request: Request
) -> None:
    """Evaluate ``train.init_checkpoint``, or the last checkpoint of the training.

    Raises:
        InputError: there are no weights.
    """
    path = params.weights
    if request.resume:
        path = str(last_to_evaluate(TrainingCheckpoints(params.output_dir, params.checkpoints)))
    if not path:
        raise InputError("train.init_checkpoint is empty; name the weights to evaluate")
    load_weights(model, path, allow_partial=request.allow_partial)
    evaluate(cfg, params, model)


def evaluate(
    cfg: "DictConfig", params: RunParams, model: nn.Module, report: bool = True
) -> Results:
    """Return the results on ``dataloader.test`` (empty but in the main process, or without it).

    ``dataloader.evaluator`` scores; without one, the evaluator of the dataset that
    ``dataloader.test.dataset.names`` names.
    """
    if "test" not in cfg.dataloader:
        return {}
    names = _test_sets(cfg.dataloader)
    name = names[0] if len(names) == 1 else "test"
    if cfg.dataloader.get("evaluator") is not None:
        evaluator: DatasetEvaluator = instantiate(cfg.dataloader.evaluator)
    else:
        folder = params.output_dir / f"inference_{as_file_name(name)}"
        evaluator = build_evaluator(name, folder, tasks=_tasks(model), report=report)
    results: Mapping[str, Any] = inference_on_dataset(
        model, instantiate(cfg.dataloader.test), evaluator
    )
    if not comm.is_main_process():
        return {}
    print_csv_format(results)
    return {name: {task: dict(metrics) for task, metrics in results.items()}}


def _test_sets(dataloader: "DictConfig") -> list[str]:
    """Return the names of the datasets that ``dataloader.test`` reads."""
    from omegaconf import OmegaConf

    names = OmegaConf.select(dataloader, "test.dataset.names", default=[])
    return [names] if isinstance(names, str) else list(names)


def _tasks(model: nn.Module) -> tuple[str, ...]:
    heads: Any = getattr(model, "roi_heads", None)
    return ("bbox", "segm") if getattr(heads, "mask_on", False) else ("bbox",)
