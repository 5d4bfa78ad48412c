import os
import signal

import pytest
import torch
from detectron2.utils.events import EventWriter, get_event_storage

from detic.engine.checkpoints import load_training_state
from detic.engine.ema import AveragedWeights
from detic.errors import InputError
from tests.detic.engine.toy import ToyLoader, toy_trainer


def weight(trainer):
    return float(trainer.step.model.weight.detach())


class Recorder(EventWriter):
    def __init__(self):
        self.latest = {}

    def write(self):
        self.latest = {name: value for name, (value, _) in get_event_storage().latest().items()}


def test_resumed_training_ends_at_the_same_numbers(tmp_path):
    whole = toy_trainer(tmp_path / "whole", max_iter=8)
    whole.train()
    toy_trainer(tmp_path / "parts", max_iter=8, period=5, eval_period=0).train()
    rest = toy_trainer(tmp_path / "parts", max_iter=8)
    rest.load_state_dict(load_training_state(tmp_path / "parts" / "model_0000004.pth"))
    assert rest.iteration == 5
    rest.train()
    assert weight(rest) == weight(whole)
    assert rest.step.optimizer.state_dict()["state"] == whole.step.optimizer.state_dict()["state"]


def test_last_evaluation_is_returned_and_reported(tmp_path):
    recorder = Recorder()
    trainer = toy_trainer(tmp_path, max_iter=3, writers=[recorder])
    assert trainer.train() == {"bbox/AP": weight(trainer)}
    assert recorder.latest["bbox/AP"] == weight(trainer)
    assert recorder.latest["lr"] == pytest.approx(0.1 * 0.9**2)


def test_evaluation_can_be_periodic(tmp_path):
    trainer = toy_trainer(tmp_path, max_iter=7, eval_period=3)
    seen = []
    trainer.evaluate = lambda at_end: seen.append((trainer.iteration, at_end)) or {}
    trainer.train()
    assert seen == [(3, False), (6, False), (7, True)]


def test_finished_training_is_only_evaluated(tmp_path):
    toy_trainer(tmp_path, max_iter=3).train()
    again = toy_trainer(tmp_path, max_iter=3)
    again.load_state_dict(load_training_state(again.checkpoints.newest()))
    assert again.train() == {"bbox/AP": weight(again)}
    assert again.loader.position == 3


class LoaderWithSignal(ToyLoader):
    """Asks the process to stop when it gives the third batch."""

    def __iter__(self):
        for batch in super().__iter__():
            if self.position == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch


def test_sigterm_saves_and_ends_quietly(tmp_path):
    trainer = toy_trainer(tmp_path, max_iter=100)
    trainer.loader = LoaderWithSignal()
    assert trainer.train() == {}
    state = load_training_state(trainer.checkpoints.newest())
    assert state["iteration"] == 3


def test_sigterm_in_the_last_iteration_leaves_the_final_weights(tmp_path):
    trainer = toy_trainer(tmp_path, max_iter=3)
    trainer.loader = LoaderWithSignal()
    trainer.train()
    assert trainer.checkpoints.newest().name == "model_final.pth"


def test_steps_are_saved_before_an_evaluation(tmp_path):
    trainer = toy_trainer(tmp_path, max_iter=7, eval_period=3)
    saved = []
    trainer.evaluate = lambda at_end: saved.append(trainer.checkpoints.newest().name) or {}
    trainer.train()
    assert saved == ["model_last.pth", "model_last.pth", "model_final.pth"]


def test_resumed_training_takes_the_configured_learning_rate(tmp_path):
    toy_trainer(tmp_path, max_iter=2).train()
    resumed = toy_trainer(tmp_path, max_iter=4)
    resumed.scheduler.base_lrs = [0.01]  # was 0.1
    resumed.load_state_dict(load_training_state(tmp_path / "model_final.pth"))
    assert resumed.step.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * 0.9**2)


def test_broken_weights_do_not_replace_the_last_good_checkpoint(tmp_path):
    trainer = toy_trainer(tmp_path, max_iter=4, period=2)

    def overflow(optimizer, *_):
        if trainer.iteration == 3:
            trainer.step.model.weight.data.fill_(float("nan"))

    trainer.step.optimizer.register_step_post_hook(overflow)
    with pytest.raises(InputError, match="1 weights such as weight are not finite"):
        trainer.train()
    assert trainer.checkpoints.newest().name == "model_0000001.pth"


def test_averaged_weights_are_saved_evaluated_and_resumed(tmp_path):
    def averaged(model):
        return AveragedWeights(model, decay=0.5)

    trainer = toy_trainer(tmp_path, max_iter=4, averaged=averaged)
    metrics = trainer.train()
    trained = weight(trainer)
    average = float(trainer.averaged.average["weight"])
    assert metrics["bbox/AP"] == average != trained
    state = load_training_state(trainer.checkpoints.newest())
    assert float(state["model"]["weight"]) == average
    resumed = toy_trainer(tmp_path, max_iter=4, averaged=averaged)
    resumed.load_state_dict(state)
    assert weight(resumed) == trained
    assert float(resumed.averaged.average["weight"]) == average


def test_unreadable_images_are_listed_at_the_end(tmp_path):
    trainer = toy_trainer(tmp_path, max_iter=1)
    trainer.loader.unreadable.reasons["broken.jpg"] = "not an image"
    trainer.train()
    assert "broken.jpg" in (tmp_path / "unreadable_images.txt").read_text()


def test_the_optimizer_of_other_weights_is_refused(tmp_path):
    trainer = toy_trainer(tmp_path, max_iter=2)
    trainer.train()
    state = load_training_state(trainer.checkpoints.newest())
    known = state["optimizer"]["state"]
    known[0] = {"momentum_buffer": torch.ones(5)}
    with pytest.raises(InputError, match=r"its optimizer does not fit .*is \(5,\) for weights of"):
        toy_trainer(tmp_path, max_iter=4).load_state_dict(state)


def test_a_negative_iteration_is_none(tmp_path):
    trainer = toy_trainer(tmp_path, max_iter=1)
    trainer.train()
    path = trainer.checkpoints.newest()
    torch.save(torch.load(path, weights_only=True) | {"iteration": -5}, path)
    with pytest.raises(InputError, match=r"not a training checkpoint \(no iteration\)"):
        load_training_state(path)


def test_foreign_file_is_no_training_checkpoint(tmp_path):
    torch.save({"model": {}}, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"not a training checkpoint.*MODEL.WEIGHTS"):
        load_training_state(tmp_path / "weights.pth")
