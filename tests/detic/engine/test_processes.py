"""Starting processes and how their mistakes are told."""

import os
import signal

import pytest
from detectron2.utils import comm

from detic.engine import processes, session
from detic.engine.processes import run_processes
from detic.errors import InputError


def fail_in_rank(rank):
    if comm.get_rank() == rank:
        raise InputError(f"mistake of rank {rank}")
    comm.synchronize()


@pytest.mark.usefixtures("without_gpus")
@pytest.mark.parametrize("rank", [0, 1])
def test_the_mistake_of_any_process_is_told(capfd, rank):
    with pytest.raises(SystemExit) as end:
        run_processes(fail_in_rank, (rank,), num_gpus=2)
    assert end.value.code == 2
    assert f"error: mistake of rank {rank}\n" in capfd.readouterr().err


def kill_rank(rank):
    if comm.get_rank() == rank:
        os.kill(os.getpid(), signal.SIGKILL)
    comm.synchronize()


@pytest.mark.usefixtures("without_gpus")
def test_a_killed_process_is_named_with_its_signal_and_a_remedy(capfd):
    with pytest.raises(SystemExit) as end:
        run_processes(kill_rank, (1,), num_gpus=2)
    assert end.value.code == 137
    (line,) = [x for x in capfd.readouterr().err.splitlines() if x.startswith("error: ")]
    assert line.startswith("error: process 1 of the job (pid ")
    assert "was killed by SIGKILL, most likely because memory ran out" in line
    assert line.endswith("--resume continues from the last checkpoint")


def test_sigterm_before_there_are_processes_ends_the_job(monkeypatch):
    monkeypatch.setattr(
        processes, "launch", lambda *_, **options: os.kill(os.getpid(), signal.SIGTERM)
    )
    with pytest.raises(SystemExit) as end:
        run_processes(fail_in_rank, (0,), num_gpus=2)
    assert end.value.code == 143


def test_processes_that_drew_seeds_of_their_own_take_the_first(monkeypatch):
    monkeypatch.setattr(session.comm, "all_gather", lambda own: [7, own])
    assert session.common_seed(9) == 7
