"""The evaluation loop."""

import logging

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


def test_callbacks_are_called_around_batches():
    calls = []
    names = ("on_start", "before_inference", "after_inference", "on_end")
    callbacks = {name: lambda name=name: calls.append(name) for name in names}
    inference_on_dataset(Model(), LOADER, Counter(), callbacks)
    assert calls == ["on_start", *["before_inference", "after_inference"] * 2, "on_end"]


def test_progress_is_logged_with_the_time_left(caplog, monkeypatch):
    monkeypatch.setattr("detectron2.evaluation.evaluator.LOG_INTERVAL_S", 0)
    with caplog.at_level(logging.INFO):
        inference_on_dataset(Model(), [[{}]] * 7, Counter())
    assert "Inference done 6/7" in caplog.text
    assert "ETA=0:00:00" in caplog.text
    assert "Total inference time" in caplog.text


def test_mode_returns_after_an_error():
    model = Model().train()

    def fail():
        with inference_context(model):
            assert not model.training
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert model.training
