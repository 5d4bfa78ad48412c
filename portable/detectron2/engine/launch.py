"""Starting one process per GPU, or several processes on the CPU."""

import socket
from collections.abc import Callable
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from detectron2.utils import comm

DEFAULT_TIMEOUT = timedelta(minutes=30)


def launch(
    main_func: Callable,
    num_gpus_per_machine: int,
    num_machines: int = 1,
    machine_rank: int = 0,
    dist_url: str | None = None,
    args: tuple = (),
    timeout: timedelta = DEFAULT_TIMEOUT,
) -> None:
    """Run `main_func(*args)` in every process of the job; a job of one process needs no spawning.

    Each process gets the GPU of its local rank. Without CUDA the processes use CPUs and gloo.

    Args:
        main_func: importable, as spawned processes find it by name.
        num_gpus_per_machine: processes on each machine.
        num_machines: machines of the job; the command runs on each.
        machine_rank: number of this machine, from 0.
        dist_url: "tcp://<host of machine 0>:<port>"; None or "auto" picks a free port on a single
            machine.
        timeout: for collective operations.
    """
    world_size = num_machines * num_gpus_per_machine
    if world_size <= 1:
        main_func(*args)
        return
    if torch.cuda.is_available() and num_gpus_per_machine > torch.cuda.device_count():
        raise ValueError(
            f"{num_gpus_per_machine} processes need as many GPUs, this machine has "
            f"{torch.cuda.device_count()}; lower --num-gpus"
        )
    if dist_url in (None, "auto"):
        if num_machines > 1:
            raise ValueError(
                "a job on several machines needs --dist-url tcp://<host of machine 0>:<port>"
            )
        dist_url = f"tcp://127.0.0.1:{_free_port()}"
    first_rank = machine_rank * num_gpus_per_machine
    group = {"init_method": dist_url, "world_size": world_size, "timeout": timeout}
    mp.spawn(
        _run_process,
        nprocs=num_gpus_per_machine,
        args=(main_func, args, first_rank, num_gpus_per_machine, group),
    )


def _run_process(
    local_rank: int, main_func: Callable, args: tuple, first_rank: int, num_local: int, group: dict
) -> None:
    """Join the process group and run `main_func`.

    Args:
        first_rank: rank of the first process of this machine.
        num_local: processes on this machine.
        group: arguments of `init_process_group` that all processes share.
    """
    has_gpu = torch.cuda.is_available()
    if has_gpu:
        torch.cuda.set_device(local_rank)
    backend = "nccl" if has_gpu else "gloo"
    dist.init_process_group(backend, rank=first_rank + local_rank, **group)
    try:
        comm.create_local_process_group(num_local)
        comm.synchronize()
        main_func(*args)
    finally:
        dist.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
