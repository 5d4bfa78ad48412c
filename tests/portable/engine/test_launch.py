"""Starting of processes."""

import pytest
import torch
from detectron2.engine import launch
from detectron2.utils import comm


def test_one_process_runs_in_place():
    seen = []
    launch(lambda *args: seen.append((args, comm.get_world_size())), 1, args=("a", 2))
    assert seen == [(("a", 2), 1)]


def fail_in_second_process():
    if comm.get_rank() == 1:
        raise KeyError("lost key")


@pytest.mark.usefixtures("without_gpus")
def test_failure_of_one_process_fails_the_job():
    with pytest.raises(torch.multiprocessing.ProcessRaisedException, match="lost key"):
        launch(fail_in_second_process, 2)


def test_several_machines_need_an_address():
    with pytest.raises(ValueError, match="needs --dist-url tcp://"):
        launch(print, 1, num_machines=2, dist_url="auto")


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="4 processes need as many GPUs, this machine has 1"):
        launch(print, 4)
