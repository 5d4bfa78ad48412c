import pytest

from detic.engine import checkpoints
from detic.engine.checkpoints import ROLLING, TrainingCheckpoints
from detic.errors import InputError
from detic.plan.optimization import CheckpointParams


def test_periodic_checkpoints_are_named_by_their_last_iteration(tmp_path):
    files = TrainingCheckpoints(tmp_path, CheckpointParams(5, 0))
    assert [files.name_after(n) for n in (4, 5, 6, 10)] == [
        None,
        "model_0000004",
        None,
        "model_0000009",
    ]


def test_rolling_checkpoint_is_due_by_the_clock(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    files = TrainingCheckpoints(tmp_path, CheckpointParams(1000, 10))
    now[0] = 599.0
    assert files.name_after(20) is None
    now[0] = 601.0
    assert files.name_after(21) is None  # the clock is read every 20 iterations
    assert files.name_after(40) == ROLLING
    files.save(ROLLING, {})
    assert files.name_after(60) is None


def test_newest_follows_the_last_save(tmp_path):
    files = TrainingCheckpoints(tmp_path, CheckpointParams(5, 0))
    assert files.newest() is None
    files.save("model_0000004", {"a": 1})
    files.save(ROLLING, {"a": 2})
    assert files.newest() == tmp_path / "model_last.pth"
    assert not list(tmp_path.glob(".*"))


def test_missing_newest_checkpoint_says_how_to_go_on(tmp_path):
    (tmp_path / "last_checkpoint").write_text("model_0000099.pth")
    with pytest.raises(InputError, match=r"model_0000099\.pth.*restore it"):
        TrainingCheckpoints(tmp_path, CheckpointParams(5, 0)).newest()
