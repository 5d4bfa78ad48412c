"""The evaluator interface and the loop that feeds it."""

import contextlib
import datetime
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from detectron2.utils import comm
from torch import nn

LOG_INTERVAL_S = 5
NUM_WARMUP_BATCHES = 5  # not timed: caches and kernels are prepared in them

logger = logging.getLogger(__name__)


class DatasetEvaluator:
    """Collects the outputs of a model batch by batch and turns them into metrics."""

    def reset(self) -> None:
        """Forgets everything, before a new pass over the dataset."""

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        """Takes in one batch.

        Args:
            inputs: what the model got, one dict per image.
            outputs: what it returned for each.
        """

    def evaluate(self) -> dict[str, dict[str, float]] | None:
        """Returns metrics by task, as {"bbox": {"AP": 41.5}}; None except in the main process."""


class DatasetEvaluators(DatasetEvaluator):
    """Several evaluators as one."""

    def __init__(self, evaluators: list[DatasetEvaluator]):
        self._evaluators = evaluators

    def reset(self) -> None:
        for evaluator in self._evaluators:
            evaluator.reset()

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        for evaluator in self._evaluators:
            evaluator.process(inputs, outputs)

    def evaluate(self) -> dict[str, Any]:
        """Returns the tasks of all evaluators; ValueError if two report the same task."""
        results: dict[str, Any] = {}
        for evaluator in self._evaluators:
            result = evaluator.evaluate()
            if not comm.is_main_process() or result is None:
                continue
            repeated = results.keys() & result.keys()
            if repeated:
                raise ValueError(f"two evaluators report the task '{min(repeated)}'")
            results.update(result)
        return results


def inference_on_dataset(
    model: nn.Module | Callable[[list[dict]], list[dict]],
    data_loader: Iterable[list[dict]],
    evaluator: DatasetEvaluator | list[DatasetEvaluator] | None,
    callbacks: dict[str, Callable[[], None]] | None = None,
) -> dict[str, Any]:
    """Returns the metrics of `model` on a dataset, {} except in the main process.

    Args:
        model: called with each batch, in evaluation mode and without gradients.
        data_loader: batches; its length is the length of the pass.
        evaluator: gets the batches and outputs; None only runs the model.
        callbacks: functions without arguments, called before ("on_start"), between
            ("before_inference", "after_inference") and after ("on_end") batches.
    """
    if not isinstance(evaluator, DatasetEvaluator):
        evaluator = DatasetEvaluators(evaluator or [])
    callbacks = callbacks or {}
    num_batches = len(data_loader)
    logger.info("Start inference on %d batches", num_batches)
    evaluator.reset()
    progress = _Progress(num_batches)
    with contextlib.ExitStack() as stack:
        if isinstance(model, nn.Module):
            stack.enter_context(inference_context(model))
        stack.enter_context(torch.no_grad())
        _call(callbacks, "on_start")
        for inputs in data_loader:
            _call(callbacks, "before_inference")
            started = time.perf_counter()
            outputs = model(inputs)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            compute_s = time.perf_counter() - started
            _call(callbacks, "after_inference")
            evaluator.process(inputs, outputs)
            progress.advance(compute_s)
        _call(callbacks, "on_end")
    progress.log_total()
    return evaluator.evaluate() or {}


@contextlib.contextmanager
def inference_context(model: nn.Module) -> Iterator[None]:
    """Holds `model` in evaluation mode, then returns it to the mode it had."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


class _Progress:
    """Logs the pace of a pass every few seconds."""

    def __init__(self, num_batches: int):
        self._num_batches = num_batches
        self._num_warmup = min(NUM_WARMUP_BATCHES, max(num_batches - 1, 0))
        self._num_done = 0
        self._compute_s = 0.0
        self._started = self._last_log = time.perf_counter()

    def advance(self, compute_s: float) -> None:
        """Counts a batch that the model computed in `compute_s` seconds."""
        now = time.perf_counter()
        self._num_done += 1
        if self._num_done <= self._num_warmup:
            self._started = now
            return
        self._compute_s += compute_s
        if now - self._last_log >= LOG_INTERVAL_S:
            self._last_log = now
            per_batch = (now - self._started) / self._num_timed
            remaining = int(per_batch * (self._num_batches - self._num_done))
            logger.info(
                "Inference done %d/%d. Model: %.4f s/batch. Total: %.4f s/batch. ETA=%s",
                *(self._num_done, self._num_batches, self._compute_s / self._num_timed),
                *(per_batch, datetime.timedelta(seconds=remaining)),
            )

    def log_total(self) -> None:
        """Logs the time of the whole pass."""
        total_s = time.perf_counter() - self._started
        logger.info(
            "Total inference time: %s (%.6f s/batch, %.6f s/batch in the model, on %d processes)",
            datetime.timedelta(seconds=int(total_s)),
            *(total_s / self._num_timed, self._compute_s / self._num_timed),
            comm.get_world_size(),
        )

    @property
    def _num_timed(self) -> int:
        return max(self._num_done - self._num_warmup, 1)


def _call(callbacks: dict[str, Callable[[], None]], name: str) -> None:
    callbacks.get(name, lambda: None)()
