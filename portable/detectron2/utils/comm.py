"""Communication between the processes of a job; every function also works without any.

Ranks count over all machines, local ranks over the processes of one machine.
"""

import functools
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

_NO_LOCAL_GROUP = (
    "the local process group is missing; start the job with detectron2.engine.launch, or call "
    "create_local_process_group after init_process_group"
)

_local_process_group: dist.ProcessGroup | None = None


def get_world_size() -> int:
    """Return the number of processes of the job."""
    return dist.get_world_size() if _is_distributed() else 1


def get_rank() -> int:
    """Return the number of this process in the job, from 0."""
    return dist.get_rank() if _is_distributed() else 0


def is_main_process() -> bool:
    """Return whether this is the process that writes logs and files."""
    return get_rank() == 0


def create_local_process_group(num_workers_per_machine: int) -> None:
    """Make `get_local_rank` work. Every process of the job calls it once."""
    global _local_process_group
    assert _local_process_group is None, "the local process group exists already"
    num_machines, rest = divmod(get_world_size(), num_workers_per_machine)
    assert rest == 0, f"{get_world_size()} processes on machines of {num_workers_per_machine}"
    for machine in range(num_machines):
        first = machine * num_workers_per_machine
        ranks = list(range(first, first + num_workers_per_machine))
        # Creating a group is collective: all processes take part, members or not.
        group = dist.new_group(ranks)
        if get_rank() in ranks:
            _local_process_group = group


def get_local_rank() -> int:
    """Return the number of this process on its machine, from 0."""
    if not _is_distributed():
        return 0
    return dist.get_rank(group=get_local_process_group())


def get_local_process_group() -> dist.ProcessGroup:
    """Return the group of the processes on this machine."""
    assert _local_process_group is not None, _NO_LOCAL_GROUP
    return _local_process_group


def get_local_size() -> int:
    """Return the number of processes on this machine."""
    return dist.get_world_size(group=get_local_process_group()) if _is_distributed() else 1


def synchronize() -> None:
    """Wait until every process of the job has arrived here."""
    if get_world_size() == 1:
        return
    if dist.get_backend() == dist.Backend.NCCL:
        # Names the device, which NCCL would otherwise guess from the rank.
        dist.barrier(device_ids=[torch.cuda.current_device()])
    else:
        dist.barrier()


def all_gather(data: Any, group: dist.ProcessGroup | None = None) -> list[Any]:
    """Return the `data` of every process, by rank.

    The data can be pickled; by default they are exchanged by all processes through CPU memory.
    """
    if get_world_size() == 1:
        return [data]
    group = group or _cpu_group()
    gathered = [None] * dist.get_world_size(group)
    dist.all_gather_object(gathered, data, group=group)
    return gathered


def gather(data: Any, dst: int = 0, group: dist.ProcessGroup | None = None) -> list[Any]:
    """Return the `data` of every process, by rank, in the process `dst`; [] in the others."""
    if get_world_size() == 1:
        return [data]
    group = group or _cpu_group()
    gathered = [None] * dist.get_world_size(group) if get_rank() == dst else None
    dist.gather_object(data, gathered, dst=dst, group=group)
    return gathered or []


def shared_random_seed() -> int:
    """Return a random number that is the same in every process, below 2**31.

    It is drawn from numpy's generator, so a seeded job gets the same number each time.
    """
    return all_gather(int(np.random.randint(2**31)))[0]


def reduce_dict(
    input_dict: dict[str, torch.Tensor], average: bool = True
) -> dict[str, torch.Tensor]:
    """Return the mean, or the sum, over processes of every scalar, in the main process.

    The other processes get partial sums, not to be used. The names are the same everywhere.
    """
    world_size = get_world_size()
    if world_size < 2 or not input_dict:
        return input_dict
    names = sorted(input_dict)  # the same order everywhere
    with torch.no_grad():
        values = torch.stack([input_dict[name] for name in names])
        dist.reduce(values, dst=0)
        if is_main_process() and average:
            values /= world_size
    return dict(zip(names, values, strict=True))


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized()


@functools.lru_cache
def _cpu_group() -> dist.ProcessGroup:
    """Return a group of all processes that does not need GPU memory."""
    if dist.get_backend() == dist.Backend.NCCL:
        return dist.new_group(backend="gloo")
    return dist.group.WORLD
