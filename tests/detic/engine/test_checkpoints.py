import threading

import pytest
import torch

from detic.engine import checkpoints, host_memory
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
    files.wait()
    assert files.name_after(60) is None


def test_newest_follows_the_last_save(tmp_path):
    files = TrainingCheckpoints(tmp_path, CheckpointParams(5, 0))
    assert files.newest() is None
    files.save("model_0000004", {"a": 1})
    files.save(ROLLING, {"a": 2})
    files.wait()
    assert files.newest() == tmp_path / "model_last.pth"
    assert not list(tmp_path.glob(".*"))


def test_missing_newest_checkpoint_says_how_to_go_on(tmp_path):
    (tmp_path / "last_checkpoint").write_text("model_0000099.pth")
    with pytest.raises(InputError, match=r"model_0000099\.pth.*restore it"):
        TrainingCheckpoints(tmp_path, CheckpointParams(5, 0)).newest()


@pytest.fixture
def held_writes(monkeypatch):
    """Let checkpoints be written only once the event that is returned is set."""
    may_write, write = threading.Event(), checkpoints.write_checkpoint

    def write_later(path, state):
        assert may_write.wait(30)
        write(path, state)

    monkeypatch.setattr(checkpoints, "write_checkpoint", write_later)
    return may_write


def test_a_checkpoint_has_the_state_of_the_moment_of_saving(tmp_path, held_writes):
    files = TrainingCheckpoints(tmp_path, CheckpointParams(5, 0))
    weight = torch.zeros(3)
    state = {"model": {"whole": weight, "part": weight[1:]}, "steps": [0]}
    files.save("model_0000004", state)
    weight += 1
    state["steps"][0] = 1
    assert files.newest() is None  # the training goes on before the file is there
    held_writes.set()
    files.wait()
    saved = torch.load(files.newest())
    assert saved["steps"] == [0]
    assert torch.equal(saved["model"]["whole"], torch.zeros(3))
    saved["model"]["whole"][2] = 5
    assert saved["model"]["part"].tolist() == [0, 5]  # memory that was shared still is


def test_without_memory_for_a_copy_the_training_waits(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(checkpoints, "available_bytes", lambda: 100)
    files = TrainingCheckpoints(tmp_path, CheckpointParams(5, 0))
    files.save("model_0000004", {"a": torch.zeros(3)})
    assert files.newest() == tmp_path / "model_0000004.pth"
    assert "memory is short" in caplog.text


def test_memory_of_a_container_counts(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 300\ninactive_file 50\n")
    monkeypatch.setattr(host_memory, "_CONTAINER", tmp_path)
    assert host_memory.available_bytes() == 350


def test_what_cannot_be_written_is_told_later_and_once(tmp_path):
    files = TrainingCheckpoints(tmp_path, CheckpointParams(5, 0))
    (tmp_path / "model_0000004.pth").mkdir()
    files.save("model_0000004", {})
    with pytest.raises(InputError, match="earlier checkpoints stay: remove the obstacle"):
        files.wait()
    files.check()
    assert files.newest() is None


def test_an_exception_waits_for_the_checkpoint_and_goes_on(tmp_path, held_writes):
    files = TrainingCheckpoints(tmp_path, CheckpointParams(5, 0))
    files.save("model_0000004", {})
    held_writes.set()
    with pytest.raises(ZeroDivisionError), files.completed():
        raise ZeroDivisionError
    assert files.newest() == tmp_path / "model_0000004.pth"


def test_the_last_periodic_checkpoints_stay(tmp_path):
    files = TrainingCheckpoints(tmp_path, CheckpointParams(5, 0, keep=2))
    (tmp_path / "model_0000099.pth").touch()  # of a longer training
    for name in ("model_0000004", "model_0000009", ROLLING, "model_0000014"):
        files.save(name, {})
    files.wait()
    names = {path.name for path in files.from_newest()}
    assert names == {f"model_{end}.pth" for end in ("0000099", "last", "0000009", "0000014")}
