"""What is around a run: its processes, its device, its output folder, its log and its seed."""

import argparse
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng

from detic.devices import choose_device
from detic.engine.ends import ended_by_sigterm, explained_ends, tell_full_disks_once
from detic.engine.logs import start_logging
from detic.engine.output_folder import claimed_folder
from detic.engine.processes import run_processes
from detic.errors import InputError

logger = logging.getLogger(__name__)


def start(function: Callable[..., None], args: tuple, arguments: argparse.Namespace) -> None:
    """Run ``function(*args)`` in the processes that train_net.py's arguments ask for."""
    if arguments.num_gpus == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # else processes of a job would talk over GPUs
    run_processes(
        function,
        args,
        num_gpus=arguments.num_gpus,
        num_machines=arguments.num_machines,
        machine_rank=arguments.machine_rank,
        dist_url=arguments.dist_url,
    )


def device_of(name: str, num_gpus: int) -> str:
    """Return the device of a run.

    Args:
        name: as a recipe has it.
        num_gpus: as the command line has it; 0: the CPU.

    Raises:
        InputError: there is no such device.
    """
    if num_gpus == 0:
        return "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError("no GPU is available; use the CPU with --num-gpus 0")
    return str(choose_device(name))


def drawn_if_negative(seed: int) -> int:
    """Return a seed, another one in each run where it is negative."""
    return int.from_bytes(os.urandom(4), "little") >> 1 if seed < 0 else seed


@contextmanager
def session(
    output: Path, configuration: str, seed: int, test_sets: Sequence[str] = ()
) -> Iterator[int]:
    """Prepare this process of a job for a run, and give the seed that all of them share.

    Args:
        output: the folder of the run, which no other run may use meanwhile.
        configuration: written there.
        seed: of the main process.
        test_sets: names of the sets that are evaluated.

    Raises:
        InputError: the folder cannot be used, or the memory does not suffice, or a process that
            reads images was killed.
    """
    tell_full_disks_once()  # as TensorBoard's thread would
    with ExitStack() as stack:
        stack.enter_context(ended_by_sigterm())
        stack.enter_context(explained_ends())
        if comm.is_main_process():
            stack.enter_context(claimed_folder(output, test_sets))
        comm.synchronize()  # the others touch the folder when it is known to be free
        seed = common_seed(seed)
        start_logging(output, configuration)
        logger.info("output and configuration: %s (seed %d)", output, seed)
        seed_all_rng(seed)
        yield seed


def common_seed(seed: int) -> int:
    """Return the main process's seed; torchrun's processes have each drawn one."""
    return comm.all_gather(seed)[0]
