"""Communication between the processes of a job; every function also works without any.

Ranks count over all machines, local ranks over the processes of one machine.
"""

import functools
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

_local_process_group: dist.ProcessGroup | None = None


def get_world_size() -> int:
    """Returns the number of processes of the job."""
    return dist.get_world_size() if _is_distributed() else 1


def get_rank() -> int:
    """Returns the number of this process in the job, from 0."""
    return dist.get_rank() if _is_distributed() else 0


def is_main_process() -> bool:
    """Returns whether this is the process that writes logs and files."""
    return get_rank() == 0


def create_local_process_group(num_workers_per_machine: int) -> None:
    """Lets `get_local_rank` and `get_local_size` work. Every process calls it once, after init.

    Raises:
        RuntimeError: the group exists already.
        ValueError: the processes are no multiple of `num_workers_per_machine`.
    """
    global _local_process_group
    if _local_process_group is not None:
        raise RuntimeError("the local process group was created before")
    world_size = get_world_size()
    if world_size % num_workers_per_machine != 0:
        raise ValueError(
            f"{world_size} processes cannot be split into machines of {num_workers_per_machine}"
        )
    machine = get_rank() // num_workers_per_machine
    for index in range(world_size // num_workers_per_machine):
        first = index * num_workers_per_machine
        # Creating a group is collective: all processes take part, members or not.
        group = dist.new_group(list(range(first, first + num_workers_per_machine)))
        if index == machine:
            _local_process_group = group


def get_local_process_group() -> dist.ProcessGroup | None:
    """Returns the group of the processes on this machine; None if the job is one process.

    Raises:
        RuntimeError: a job of several processes did not create the group.
    """
    if get_world_size() > 1 and _local_process_group is None:
        raise RuntimeError(
            "the local process group is missing; start the job with detectron2.engine.launch or "
            "call create_local_process_group after init_process_group"
        )
    return _local_process_group


def get_local_rank() -> int:
    """Returns the number of this process on its machine, from 0."""
    return dist.get_rank(group=get_local_process_group()) if _is_distributed() else 0


def get_local_size() -> int:
    """Returns the number of processes on this machine."""
    return dist.get_world_size(group=get_local_process_group()) if _is_distributed() else 1


def synchronize() -> None:
    """Waits until every process of the job has arrived here."""
    if get_world_size() == 1:
        return
    if dist.get_backend() == dist.Backend.NCCL:
        # Names the device, which NCCL would otherwise guess from the rank.
        dist.barrier(device_ids=[torch.cuda.current_device()])
    else:
        dist.barrier()


def all_gather(data: Any, group: dist.ProcessGroup | None = None) -> list[Any]:
    """Returns the `data` of every process, by rank.

    Args:
        data: any object that can be pickled.
        group: by default a group of all processes that moves objects through CPU memory.
    """
    if get_world_size() == 1:
        return [data]
    group = group or _cpu_group()
    gathered = [None] * dist.get_world_size(group)
    if len(gathered) == 1:
        return [data]
    dist.all_gather_object(gathered, data, group=group)
    return gathered


def gather(data: Any, dst: int = 0, group: dist.ProcessGroup | None = None) -> list[Any]:
    """Returns the `data` of every process in process `dst`, and an empty list in the others.

    Args:
        data: any object that can be pickled.
        dst: a rank.
        group: as for `all_gather`.
    """
    if get_world_size() == 1:
        return [data]
    group = group or _cpu_group()
    if dist.get_world_size(group) == 1:
        return [data]
    if dist.get_rank() != dst:
        dist.gather_object(data, None, dst=dst, group=group)
        return []
    gathered = [None] * dist.get_world_size(group)
    dist.gather_object(data, gathered, dst=dst, group=group)
    return gathered


def shared_random_seed() -> int:
    """Returns a random number that is the same in every process, below 2**31.

    It is drawn from numpy's generator, so a seeded job gets the same number each time.
    """
    return all_gather(int(np.random.randint(2**31)))[0]


def reduce_dict(
    input_dict: dict[str, torch.Tensor], average: bool = True
) -> dict[str, torch.Tensor]:
    """Returns the mean (or sum) over processes of every value, in the main process.

    The other processes get partial sums, not to be used.

    Args:
        input_dict: scalar tensors, the same names in every process.
        average: mean rather than sum.
    """
    world_size = get_world_size()
    if world_size < 2 or not input_dict:
        return input_dict
    with torch.no_grad():
        names = sorted(input_dict)  # the same order everywhere
        values = torch.stack([input_dict[name] for name in names])
        dist.reduce(values, dst=0)
        if is_main_process() and average:
            values /= world_size
    return dict(zip(names, values, strict=True))


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized()


@functools.lru_cache
def _cpu_group() -> dist.ProcessGroup:
    """Returns a group of all processes that does not need GPU memory."""
    if dist.get_backend() == dist.Backend.NCCL:
        return dist.new_group(backend="gloo")
    return dist.group.WORLD
