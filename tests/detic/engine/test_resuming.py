"""Which checkpoint a training goes on from when the last one is damaged."""

import os

import pytest
import torch

from detic.engine.checkpoints import TrainingCheckpoints
from detic.engine.resuming import last_to_evaluate, newest_whole, resume
from detic.errors import InputError
from detic.plan.optimization import CheckpointParams
from tests.detic.engine.toy import toy_trainer


@pytest.fixture
def trained(tmp_path):
    """The folder of a training of 6 iterations with checkpoints after 2, 4 and 6."""
    toy_trainer(tmp_path, max_iter=6, period=2).train()
    for age, name in enumerate(["model_final", "model_0000003", "model_0000001"]):
        os.utime(tmp_path / f"{name}.pth", ns=(10**18, 10**18 - age))
    return tmp_path


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def flip(path):
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02") // 2  # somewhere in a tensor or in what follows it
    data[start : start + 64] = bytes(64 * [0x5A])
    path.write_bytes(data)


DAMAGES = {
    "cut off": cut,
    "flipped bytes": flip,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no checkpoint"),
    "pickle": lambda path: path.write_bytes(b"\x80\x02cos\nsystem\n."),
    "a number": lambda path: torch.save(5, path),
    "wrong types": lambda path: torch.save({"model": 5, "iteration": "y"}, path),
    "weights alone": lambda path: torch.save({"model": {"weight": torch.ones(())}}, path),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_newest_whole_checkpoint_takes_the_place_of_a_damaged_one(trained, damage, caplog):
    DAMAGES[damage](trained / "model_final.pth")
    trainer = toy_trainer(trained, max_iter=6)
    assert resume(trainer) == trained / "model_0000003.pth"
    assert trainer.iteration == 4
    (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "model_final.pth" in warning
    assert warning.endswith(f"Going on from {trained / 'model_0000003.pth'}, iteration 4")


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00abc", b"", b"  \n", b"../model_final.pth", b"/etc/passwd", b".", b"a\0b"],
)
def test_a_damaged_pointer_is_named_and_replaced(trained, content):
    (trained / "last_checkpoint").write_bytes(content)
    whole = newest_whole(TrainingCheckpoints(trained, CheckpointParams(2, 0)))
    assert whole.path == trained / "model_final.pth"
    assert "last_checkpoint' does not name a checkpoint beside it" in whole.faults[0]


def test_without_a_whole_checkpoint_nothing_starts(trained):
    for path in trained.glob("*.pth"):
        cut(path)
    with pytest.raises(
        InputError, match=r"model_final.pth is damaged.*start over without --resume"
    ):
        resume(toy_trainer(trained, max_iter=6))


def test_the_last_checkpoint_is_taken_whatever_the_times_of_files(trained):
    (trained / "last_checkpoint").write_text("model_0000001.pth")
    assert resume(toy_trainer(trained, max_iter=6)) == trained / "model_0000001.pth"
    assert resume(toy_trainer(trained / "elsewhere", max_iter=6)) is None


def changed(folder, **parts):
    state = torch.load(folder / "model_final.pth", weights_only=True)
    torch.save({**state, **parts}, folder / "model_final.pth")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"model": {"a": torch.ones(2)}},
            r"1 are unknown to the model \(a\), 1 are missing \(weight\)",
        ),
        ({"model": {"weight": torch.ones(2)}}, r"1 have another shape \(weight\)"),
        ({"optimizer": {"state": {}, "param_groups": []}}, "its optimizer does not fit"),
        ({"scheduler": {}}, "its scheduler does not fit"),
        ({"loader": {}}, "its loader does not fit"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(trained, parts, message):
    changed(trained, **parts)
    with pytest.raises(InputError, match=rf"cannot go on from .*model_final\.pth: .*{message}"):
        resume(toy_trainer(trained, max_iter=6))


def test_evaluation_takes_no_other_checkpoint_than_the_last(trained):
    checkpoints = TrainingCheckpoints(trained, CheckpointParams(2, 0))
    assert last_to_evaluate(checkpoints) == trained / "model_final.pth"
    cut(trained / "model_final.pth")
    with pytest.raises(InputError, match=r"newest whole checkpoint is .*model_0000003\.pth"):
        last_to_evaluate(checkpoints)
