"""Starting processes and how their mistakes are told."""

import pytest
from detectron2.utils import comm

from detic.engine import run
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


def test_processes_that_drew_seeds_of_their_own_take_the_first(monkeypatch):
    monkeypatch.setattr(run.comm, "all_gather", lambda own: [7, own])
    assert run.common_seed(9) == 7
