"""The evaluator interface and the loop that feeds it."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from detectron2.utils import comm
from torch import nn
from tqdm import tqdm


class DatasetEvaluator:
    """Collects the outputs of a model batch by batch and turns them into metrics."""

    def reset(self) -> None:
        """Forget everything, before another pass over the dataset."""

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        """Take in one batch: what the model got, one dict per image, and what it returned."""

    def evaluate(self) -> dict[str, dict[str, float]] | None:
        """Return metrics by task, as {"bbox": {"AP": 41.5}}; None except in the main process."""


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
        """Return the tasks of all evaluators, {} except in the main process."""
        results: dict[str, Any] = {}
        for evaluator in self._evaluators:
            result = evaluator.evaluate() or {}
            repeated = results.keys() & result.keys()
            if repeated:
                raise ValueError(f"two evaluators report the task '{min(repeated)}'")
            results.update(result)
        return results if comm.is_main_process() else {}


def inference_on_dataset(
    model: nn.Module | Callable[[list[dict]], list[dict]],
    data_loader: Iterable[list[dict]],
    evaluator: DatasetEvaluator | list[DatasetEvaluator] | None,
    callbacks: dict[str, Callable[[], None]] | None = None,
) -> dict[str, Any]:
    """Return the metrics of `model` on a dataset, {} except in the main process.

    Args:
        model: called with each batch, in evaluation mode and without gradients.
        data_loader: batches; its length is the length of the pass.
        evaluator: gets the batches and outputs; None only runs the model.
        callbacks: functions without arguments by the moment they are called at, "on_start" and
            "on_end" of the pass, "before_inference" and "after_inference" of each batch.
    """
    callbacks = callbacks or {}
    if not isinstance(evaluator, DatasetEvaluator):
        evaluator = DatasetEvaluators(evaluator or [])
    evaluator.reset()
    in_evaluation_mode = inference_context(model) if isinstance(model, nn.Module) else None
    with in_evaluation_mode or contextlib.nullcontext(), torch.no_grad():
        _call(callbacks, "on_start")
        for inputs in tqdm(data_loader, "inference", disable=not comm.is_main_process()):
            _call(callbacks, "before_inference")
            outputs = model(inputs)
            _call(callbacks, "after_inference")
            evaluator.process(inputs, outputs)
        _call(callbacks, "on_end")
    return evaluator.evaluate() or {}


def _call(callbacks: dict[str, Callable[[], None]], moment: str) -> None:
    if moment in callbacks:
        callbacks[moment]()


@contextlib.contextmanager
def inference_context(model: nn.Module) -> Iterator[None]:
    """Hold `model` in evaluation mode, then return it to the mode it had."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
