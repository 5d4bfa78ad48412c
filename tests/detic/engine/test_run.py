"""Which weights a run takes."""

import pytest
import torch

from detic.engine import run
from detic.errors import InputError
from detic.recipes import default_config


@pytest.fixture
def evaluated(monkeypatch, tmp_path):
    """A function from ``resume`` to the weights that an evaluation in a training's folder takes."""
    taken = []
    monkeypatch.setattr(run, "build_detector", lambda cfg: None)
    monkeypatch.setattr(run, "evaluate_model", lambda *args, **options: {})
    monkeypatch.setattr(
        run, "load_initial_weights", lambda cfg, *args, **options: taken.append(cfg.MODEL.WEIGHTS)
    )
    cfg = default_config()
    cfg.OUTPUT_DIR = str(tmp_path)
    cfg.MODEL.WEIGHTS = "elsewhere.pth"
    cfg.SEED = 0

    def evaluate(resume):
        run.run(cfg, eval_only=True, resume=resume, resume_eval=False)
        return taken.pop()

    return evaluate


def leave_checkpoint(folder):
    torch.save({}, folder / "model_0000009.pth")
    (folder / "last_checkpoint").write_text("model_0000009.pth")


def test_resume_evaluates_the_last_checkpoint(evaluated, tmp_path):
    leave_checkpoint(tmp_path)
    assert evaluated(resume=True) == str(tmp_path / "model_0000009.pth")


def test_other_weights_than_those_of_the_folder_s_training_are_pointed_out(evaluated, tmp_path):
    assert evaluated(resume=False) == "elsewhere.pth"
    assert "say --resume" not in (tmp_path / "log.txt").read_text()
    leave_checkpoint(tmp_path)
    assert evaluated(resume=False) == "elsewhere.pth"
    assert "evaluating elsewhere.pth" in (tmp_path / "log.txt").read_text()


def test_nothing_to_evaluate_is_explained(evaluated):
    with pytest.raises(InputError, match="no checkpoint to evaluate in"):
        evaluated(resume=True)
