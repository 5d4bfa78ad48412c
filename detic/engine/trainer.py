"""The training loop."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from detectron2.utils import comm
from detectron2.utils.events import EventStorage, EventWriter
from torch import Tensor, nn

from detic.engine.checkpoints import FINAL, ROLLING, TrainingCheckpoints
from detic.engine.ema import AveragedWeights
from detic.engine.step import Batch, TrainingStep, unwrap
from detic.errors import InputError
from detic.loading.loader import BatchStream, merge_loader_states
from detic.plan.optimization import LoopParams

logger = logging.getLogger(__name__)

_WRITE_PERIOD = 20  # iterations


class StopRequest:
    """Whether SIGTERM came, with which schedulers stop and requeue a training, or Ctrl-C.

    A second Ctrl-C interrupts at once.
    """

    def __init__(self):
        self._requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        # Python delivers signals to the main thread only.
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGTERM, signal.SIGINT):
                self._previous[signum] = signal.signal(signum, self._note)
        return self

    def __exit__(self, *exc_info) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)

    def _note(self, signum: int, frame: Any) -> None:
        if signum == signal.SIGINT and self._requested:
            raise KeyboardInterrupt
        self._requested = True

    def is_set(self) -> bool:
        """Return whether any process was asked to stop; all processes must ask alike."""
        if comm.get_world_size() == 1:
            return self._requested
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        flag = torch.tensor(float(self._requested), device=device)
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        return bool(flag)


class Trainer:
    """The training loop: steps on batches from a loader, reports, checkpoints and evaluations.

    Args:
        writers: of the main process.
        evaluate: returns metrics of the model as it is, by name; told whether training is over.
        averaged: weights that are evaluated and saved in place of the trained ones.
    """

    def __init__(
        self,
        *,
        step: TrainingStep,
        scheduler: torch.optim.lr_scheduler.LRScheduler,
        loader: BatchStream,
        checkpoints: TrainingCheckpoints,
        writers: Sequence[EventWriter],
        evaluate: Callable[[bool], dict[str, float]],
        averaged: AveragedWeights | None,
        loop: LoopParams,
    ):
        self.step = step
        self.scheduler = scheduler
        self.loader = loader
        self.checkpoints = checkpoints
        self.writers = list(writers)
        self.evaluate = evaluate
        self.averaged = averaged
        self.loop = loop
        self.iteration = 0  # the next one

    def train(self) -> dict[str, float]:
        """Train up to ``max_iter`` and return the last evaluation's metrics.

        After SIGTERM or Ctrl-C, saves and returns {} early. A training that is over is only evaluated.
        """
        logger.info("training from iteration %d to %d", self.iteration, self.loop.max_iter)
        with ExitStack() as stack:
            storage = stack.enter_context(EventStorage(self.iteration))
            stop = stack.enter_context(StopRequest())
            for writer in self.writers:
                stack.callback(writer.close)
            stack.enter_context(self.checkpoints.completed())
            stack.callback(self.loader.unreadable.write, self.checkpoints.folder)
            if self.iteration >= self.loop.max_iter:
                return self._evaluate(at_end=True)
            self.step.model.train()
            batches = iter(self.loader)
            metrics: dict[str, float] = {}
            while self.iteration < self.loop.max_iter:
                storage.iter = self.iteration
                self._iterate(batches, storage)
                self.iteration += 1
                if stop.is_set():
                    self._save(FINAL if self.iteration == self.loop.max_iter else ROLLING)
                    self.checkpoints.wait()
                    logger.info("stopped by a signal; continue with --resume")
                    return {}
                metrics = self._after_iteration(storage) or metrics
        return metrics

    def _after_iteration(self, storage: EventStorage) -> dict[str, float]:
        """Save, evaluate and report what is due; return the metrics of an evaluation, if any."""
        self.checkpoints.check()
        at_end = self.iteration == self.loop.max_iter
        period = self.loop.eval_period
        evaluates = at_end or (period > 0 and self.iteration % period == 0)
        name = FINAL if at_end else self.checkpoints.name_after(self.iteration)
        if name is None and evaluates:
            name = ROLLING  # an evaluation may take longer than a scheduler waits after SIGTERM
        if name is not None:
            self._save(name)
        metrics = {}
        if evaluates:
            self.checkpoints.wait()
            metrics = self._evaluate(at_end)
            storage.put_scalars(smoothing_hint=False, **metrics)
        if at_end or self.iteration % _WRITE_PERIOD == 0:
            self.step.check_losses()
            for writer in self.writers:
                writer.write()
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """Return all that the rest of the training depends on; all processes must ask alike."""
        raw = unwrap(self.step.model).state_dict()
        state = {
            "model": raw if self.averaged is None else self.averaged.state_dict(),
            "optimizer": self.step.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.step.scaler.state_dict(),
            "loader": merge_loader_states(comm.all_gather(self.loader.state_dict())),
            "iteration": self.iteration,
            "seed": self.step.seed,
        }
        return state if self.averaged is None else state | {"trained_model": raw}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned, with the configured learning rates.

        Raises:
            InputError: it is the state of a training of another model, optimizer or data.
        """
        model = unwrap(self.step.model)
        weights = state.get("trained_model", state["model"])
        check_fit(weights, model)
        model.load_state_dict(weights)
        if self.averaged is not None:
            self.averaged.load_state_dict(state["model"])
        _restore("optimizer", self._resume_optimizer, state)
        _restore("scheduler", self._resume_schedule, state)
        _restore("scaler", self.step.scaler.load_state_dict, state)
        _restore("loader", self.loader.load_state_dict, state)
        self.step.seed = state["seed"]
        self.iteration = state["iteration"]

    def _resume_optimizer(self, saved: dict[str, Any]) -> None:
        self.step.optimizer.load_state_dict(saved)
        for parameter, known in self.step.optimizer.state.items():
            for name, value in known.items():
                # Others are numbers, such as the count of steps.
                if isinstance(value, Tensor) and value.dim() and value.shape != parameter.shape:
                    raise ValueError(
                        f"{name} is {tuple(value.shape)} for weights of {tuple(parameter.shape)}"
                    )

    def _resume_schedule(self, saved: dict[str, Any]) -> None:
        configured = self.scheduler.base_lrs
        if saved["base_lrs"] != configured:
            logger.info(
                "learning rates follow the configuration (%g at first), no longer %g",
                *(configured[0], saved["base_lrs"][0]),
            )
        self.scheduler.load_state_dict({**saved, "base_lrs": configured})
        groups = self.step.optimizer.param_groups
        for group, rate in zip(groups, self.scheduler.get_lr(), strict=True):
            group["lr"] = rate

    def _iterate(self, batches: Iterator[Batch], storage: EventStorage) -> None:
        started = time.perf_counter()
        step_batches = [next(batches) for _ in range(self.step.accumulate)]
        data_time = time.perf_counter() - started
        losses = self.step(self.iteration, step_batches)
        rate = self.step.optimizer.param_groups[0]["lr"]
        self.scheduler.step()
        if self.averaged is not None:
            self.averaged.update(unwrap(self.step.model))
        seconds = time.perf_counter() - started
        losses = comm.reduce_dict(losses)
        if not comm.is_main_process():
            return
        num_images = sum(len(batch) for batch in step_batches) * comm.get_world_size()
        # They stay on the device: the storage reads them when they are written.
        total = torch.stack(list(losses.values())).double().sum()
        storage.put_scalars(total_loss=total, **losses)
        storage.put_scalars(
            time=seconds, data_time=data_time, images_per_second=num_images / seconds
        )
        storage.put_scalar("lr", rate, smoothing_hint=False)

    def _save(self, name: str) -> None:
        """Write a checkpoint.

        Raises:
            InputError: the weights are not finite; the last good checkpoint stays.
        """
        self.step.check_losses()
        broken = _not_finite(unwrap(self.step.model))
        if broken:
            raise InputError(
                f"iteration {self.iteration}: {len(broken)} weights such as {broken[0]} are not "
                "finite, though the losses were; lower SOLVER.BASE_LR or clip gradients, then "
                "continue from the last checkpoint with --resume"
            )
        self.checkpoints.save(name, self.state_dict())

    def _evaluate(self, at_end: bool) -> dict[str, float]:
        """Evaluate the averaged weights, if there are any, else the trained ones."""
        model = unwrap(self.step.model)
        trained = None
        if self.averaged is not None:
            trained = {name: t.clone() for name, t in model.state_dict().items()}
            model.load_state_dict(self.averaged.state_dict())
        try:
            return self.evaluate(at_end)
        finally:
            if trained is not None:
                model.load_state_dict(trained)
            model.train()


def check_fit(weights: Mapping[str, Tensor], model: nn.Module) -> None:
    """Check that the weights of a checkpoint are those of a model of the same architecture.

    Raises:
        InputError: names differ, or shapes do.
    """
    expected = model.state_dict()
    odd = [name for name in weights if name not in expected]
    absent = [name for name in expected if name not in weights]
    resized = [n for n, t in expected.items() if n in weights and weights[n].shape != t.shape]
    kinds = {
        "are unknown to the model": odd,
        "are missing": absent,
        "have another shape": resized,
    }
    complaints = [f"{len(names)} {what} ({names[0]})" for what, names in kinds.items() if names]
    if complaints:
        raise InputError(
            f"its weights are those of another model: {', '.join(complaints)}; restore the recipe that "
            "it was trained by, or choose another OUTPUT_DIR"
        )


def _not_finite(model: nn.Module) -> list[str]:
    """Return the names of the weights that are not finite."""
    names, weights = zip(*model.named_parameters(), strict=True)
    finite = torch.stack([torch.isfinite(weight).all() for weight in weights]).tolist()
    return [name for name, is_finite in zip(names, finite, strict=True) if not is_finite]


def _restore(part: str, load: Callable[[Any], Any], state: Mapping[str, Any]) -> None:
    """Load a part of a training's state.

    Raises:
        InputError: it does not fit what loads it.
    """
    try:
        load(state[part])
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"its {part} does not fit this recipe ({error}); restore the recipe, or start from its "
            "weights with MODEL.WEIGHTS and without --resume"
        ) from error
