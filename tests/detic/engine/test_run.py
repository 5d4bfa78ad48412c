"""Which weights a run takes."""

import pytest
import torch

from detic.engine.checkpoints import TrainingCheckpoints
from detic.engine.run import weights_to_evaluate
from detic.errors import InputError
from detic.plan.optimization import CheckpointParams
from detic.plan.weights import InitialWeights


@pytest.fixture
def evaluated(tmp_path):
    """A function from ``resume`` to the weights that an evaluation in a training's folder takes."""
    checkpoints = TrainingCheckpoints(tmp_path, CheckpointParams(5, 0))
    named = InitialWeights("elsewhere.pth", classes=None)
    return lambda resume: weights_to_evaluate(named, checkpoints, of_last_checkpoint=resume).path


def leave_checkpoint(folder):
    torch.save({}, folder / "model_0000009.pth")
    (folder / "last_checkpoint").write_text("model_0000009.pth")


def test_resume_evaluates_the_last_checkpoint(evaluated, tmp_path):
    leave_checkpoint(tmp_path)
    assert evaluated(resume=True) == str(tmp_path / "model_0000009.pth")


def test_other_weights_than_those_of_the_folder_s_training_are_pointed_out(
    evaluated, tmp_path, caplog
):
    assert evaluated(resume=False) == "elsewhere.pth"
    assert "say --resume" not in caplog.text
    leave_checkpoint(tmp_path)
    assert evaluated(resume=False) == "elsewhere.pth"
    assert "evaluating elsewhere.pth" in caplog.text


def test_nothing_to_evaluate_is_explained(evaluated):
    with pytest.raises(InputError, match="no checkpoint to evaluate in"):
        evaluated(resume=True)
