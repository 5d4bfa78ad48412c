"""One process or many: started by us, by torchrun or by several machines."""

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

import torch
from detectron2.engine import launch
from detectron2.utils import comm

from detic.engine.ends import SIGNALLED
from detic.errors import InputError
from detic.extensions import import_extensions

logger = logging.getLogger(__name__)

_LIKELY_REASONS: dict[int, str] = {
    signal.SIGKILL: ", most likely because memory ran out: lower DATALOADER.NUM_WORKERS or the batch",
    signal.SIGBUS: ", most likely because shared memory ran out: in containers raise --shm-size",
}
_PRECEDENCE_S = 2  # how long the main process has to report an error first


def run_processes(
    function: Callable[..., None],
    args: tuple,
    *,
    num_gpus: int,
    num_machines: int = 1,
    machine_rank: int = 0,
    dist_url: str = "auto",
) -> None:
    """Run ``function(*args)`` in every process of the job.

    Under torchrun this process is one of them; otherwise ``num_gpus`` are started on each machine
    (0 or 1: this process alone). SIGTERM reaches all of them.

    Raises:
        SystemExit: one of them has failed, with its status; 128 and the number of the signal if one
            killed it.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        _join_torchrun()
        try:
            function(*args)
        finally:
            torch.distributed.destroy_process_group()
        return
    if num_gpus * num_machines <= 1:
        function(*args)
        return
    # That one process is ended after another needs no line of its own.
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
    previous = signal.signal(signal.SIGTERM, _forward_to_children)
    try:
        launch(
            _run_child,
            num_gpus,
            num_machines=num_machines,
            machine_rank=machine_rank,
            dist_url=dist_url,
            args=(function, args),
        )
    except torch.multiprocessing.ProcessExitedException as e:
        _leave(e, machine_rank * num_gpus)
    finally:
        signal.signal(signal.SIGTERM, previous)


def _leave(end: torch.multiprocessing.ProcessExitedException, first_rank: int) -> NoReturn:
    """Leave with the status of the process that ended first; say so if it could not."""
    if end.exit_code >= 0:
        sys.exit(end.exit_code)  # it has said why
    number = -end.exit_code
    reason = _LIKELY_REASONS.get(number, "")
    sys.stderr.write(
        f"error: process {end.error_index + first_rank} of the job (pid {end.error_pid}) was killed by "
        f"{end.signal_name}{reason}; --resume continues from the last checkpoint\n"
    )
    sys.exit(SIGNALLED + number)


def _run_child(function: Callable[..., None], args: tuple) -> None:
    try:
        import_extensions()  # a process that is spawned knows nothing of its parent's imports
        function(*args)
    except InputError as e:
        if not comm.is_main_process():
            # If all processes fail alike, the main one says so, and its end ends this one.
            time.sleep(_PRECEDENCE_S)
        sys.stderr.write(f"error: {e}\n")
        sys.stderr.flush()
        os._exit(2)  # the other processes may be waiting for this one: do not wait for them


def _forward_to_children(signum: int, frame: Any) -> None:
    children = multiprocessing.active_children()
    if not children:  # they are yet to be started
        sys.exit(SIGNALLED + signum)
    for child in children:
        if child.pid is not None:
            os.kill(child.pid, signum)


def _join_torchrun() -> None:
    """Join the process group that torchrun's environment variables describe."""
    local_rank = int(os.environ["LOCAL_RANK"])
    has_gpu = torch.cuda.is_available()
    if has_gpu:
        torch.cuda.set_device(local_rank)
    torch.distributed.init_process_group("nccl" if has_gpu else "gloo")
    comm.create_local_process_group(int(os.environ["LOCAL_WORLD_SIZE"]))
    comm.synchronize()
