"""Communication, alone and between two processes on the CPU."""

import os

import numpy as np
import pytest
import torch
from detectron2.engine import launch
from detectron2.layers import NaiveSyncBatchNorm
from detectron2.utils import comm
from torch import nn


def test_alone_everything_is_trivial():
    assert (comm.get_world_size(), comm.get_rank(), comm.get_local_rank()) == (1, 0, 0)
    assert comm.is_main_process()
    comm.synchronize()
    assert comm.all_gather("x") == comm.gather("x") == ["x"]
    assert comm.get_local_size() == 1
    losses = {"a": torch.tensor(1.0)}
    assert comm.reduce_dict(losses) is losses


def test_shared_seed_follows_numpy():
    np.random.seed(3)
    first = comm.shared_random_seed()
    np.random.seed(3)
    assert comm.shared_random_seed() == first


def check_two_processes(out_dir):
    """Run in each of the two processes; a failed assertion ends the job."""
    torch.set_num_threads(1)
    rank = comm.get_rank()
    assert (comm.get_world_size(), comm.get_local_rank()) == (2, rank)
    assert comm.is_main_process() == (rank == 0)
    assert comm.all_gather({"rank": rank}) == [{"rank": 0}, {"rank": 1}]
    assert comm.gather(rank, dst=1) == ([0, 1] if rank == 1 else [])
    assert comm.get_local_size() == 2
    assert len(set(comm.all_gather(comm.shared_random_seed()))) == 1
    losses = {"b": torch.tensor(1.0 + rank), "a": torch.tensor(10.0)}
    if rank == 1:
        losses = dict(reversed(losses.items()))
    reduced = comm.reduce_dict(losses)
    summed = comm.reduce_dict(losses, average=False)
    if rank == 0:
        assert (reduced["a"].item(), reduced["b"].item(), summed["b"].item()) == (10, 1.5, 3)
    check_synchronised_norm(rank, [0, 2, 4], "")
    check_synchronised_norm(rank, [0, 1, 4], "N")
    check_synchronised_norm(rank, [0, 0, 4], "N")
    comm.synchronize()
    with open(os.path.join(out_dir, str(rank)), "w") as f:
        f.write("done")


def check_synchronised_norm(rank, bounds, stats_mode):
    """The norm of two parts of 4 images is the batch norm of the whole, in values and gradients.

    Process r has the images from bounds[r] to bounds[r + 1].
    """
    torch.manual_seed(0)
    whole = torch.randn(4, 3, 5, 5)
    own = slice(bounds[rank], bounds[rank + 1])
    expected_norm, norm = nn.BatchNorm2d(3), NaiveSyncBatchNorm(3, stats_mode=stats_mode)
    expected_input = whole.clone().requires_grad_()
    part = whole[own].clone().requires_grad_()
    weights = torch.randn(4, 3, 5, 5)
    expected = expected_norm(expected_input)
    (expected * weights).sum().backward()
    out = norm(part)
    (out * weights[own]).sum().backward()
    assert torch.allclose(out, expected[own], atol=1e-5)
    assert torch.allclose(part.grad, expected_input.grad[own], atol=1e-5)
    assert torch.allclose(norm.running_mean, expected_norm.running_mean, atol=1e-6)


@pytest.mark.usefixtures("without_gpus")
def test_two_processes(tmp_path):
    launch(check_two_processes, 2, dist_url="auto", args=(str(tmp_path),))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]
