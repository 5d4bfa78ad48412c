"""One run at a time writes to an output folder, which is ready for it."""

import json
import multiprocessing
import os
import socket
import time
from pathlib import Path

import pytest

from detic.engine.output_folder import LOCK, claimed_folder
from detic.errors import InputError
from detic.files import unfinished_path

KILLED: list = []  # what their ends would clean up


def hold(folder, held):
    with claimed_folder(folder):
        held.set()
        time.sleep(60)


@pytest.fixture
def holder(tmp_path):
    """A process that uses the folder."""
    context = multiprocessing.get_context("fork")
    held = context.Event()
    process = context.Process(target=hold, args=(tmp_path, held))
    process.start()
    assert held.wait(20)
    yield process
    process.kill()
    process.join()


def test_a_second_run_is_refused_until_the_first_is_gone(holder, tmp_path):
    owner = f"process {holder.pid} on {socket.gethostname()}, since "
    with pytest.raises(InputError, match=owner), claimed_folder(tmp_path):
        pass
    holder.kill()
    holder.join()
    assert (tmp_path / LOCK).exists()  # it could not clean up; the system has released the lock
    with claimed_folder(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    assert not list(tmp_path.iterdir())


def leave_unfinished(path):
    """Write a file as a process does that is killed meanwhile; return what it leaves."""
    writing = unfinished_path(path)
    unfinished = writing.__enter__()
    unfinished.write_text("half")
    KILLED.append(writing)
    return unfinished


def test_half_written_files_of_killed_runs_are_removed(tmp_path):
    names = ("model_0000001.pth", "last_checkpoint", "inference_pets/coco.json")
    left = [leave_unfinished(tmp_path / name) for name in names]
    others = [tmp_path / ".hidden.txt", tmp_path / "other" / left[0].name]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    with claimed_folder(tmp_path):
        assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)


@pytest.mark.parametrize("name", ["config.yaml", "log.txt", "metrics.json", "model_last.pth"])
def test_a_folder_in_place_of_a_file_is_found_first(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=rf"{name} is a folder"), claimed_folder(tmp_path):
        pass


def test_a_file_in_place_of_a_folder_is_found_first(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="out is a file"), claimed_folder(tmp_path / "out"):
        pass
    (tmp_path / "inference_pets").touch()
    with pytest.raises(InputError, match="is no folder"), claimed_folder(tmp_path, ["pets"]):
        pass


def test_a_folder_that_cannot_be_made_is_named():
    with (
        pytest.raises(InputError, match="cannot write to the folder /proc/detic"),
        claimed_folder(Path("/proc/detic/out")),
    ):
        pass
