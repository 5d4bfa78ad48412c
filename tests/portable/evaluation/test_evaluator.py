"""The evaluation loop."""

import pytest
import torch
from detectron2.evaluation import (
    DatasetEvaluator,
    DatasetEvaluators,
    inference_context,
    inference_on_dataset,
)
from torch import nn


class Counter(DatasetEvaluator):
    def __init__(self, task="count"):
        self.task = task

    def reset(self):
        self.images = 0

    def process(self, inputs, outputs):
        assert len(inputs) == len(outputs)
        self.images += len(inputs)

    def evaluate(self):
        return {self.task: {"images": self.images}}


class Model(nn.Module):
    def forward(self, batch):
        assert not self.training
        assert not torch.is_grad_enabled()
        return [{} for _ in batch]


LOADER = [[{}, {}], [{}]]


def test_every_image_is_processed_in_evaluation_mode():
    model = Model().train()
    assert inference_on_dataset(model, LOADER, Counter()) == {"count": {"images": 3}}
    assert model.training


def test_several_evaluators_give_their_tasks():
    results = inference_on_dataset(Model(), LOADER, [Counter("a"), Counter("b")])
    assert list(results) == ["a", "b"]


def test_repeated_task_is_refused():
    evaluators = DatasetEvaluators([Counter(), Counter()])
    evaluators.reset()
    with pytest.raises(ValueError, match="two evaluators report the task 'count'"):
        evaluators.evaluate()


def test_functions_work_as_models_and_evaluators_are_optional():
    assert inference_on_dataset(lambda batch: batch, LOADER, None) == {}


def test_mode_returns_after_an_error():
    model = Model().train()

    def fail():
        with inference_context(model):
            assert not model.training
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert model.training


def test_callbacks_are_called_around_batches():
    calls = []
    moments = ("on_start", "before_inference", "after_inference", "on_end")
    callbacks = {moment: (lambda moment=moment: calls.append(moment)) for moment in moments}
    inference_on_dataset(Model(), LOADER, None, callbacks)
    assert calls == ["on_start", *["before_inference", "after_inference"] * 2, "on_end"]
