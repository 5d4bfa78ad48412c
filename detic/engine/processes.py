"""One process or many: started by us, by torchrun or by several machines."""

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from detectron2.engine import launch
from detectron2.utils import comm

from detic.errors import InputError
from detic.extensions import import_extensions

logger = logging.getLogger(__name__)

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
        sys.exit(e.exit_code)  # the child has said why
    finally:
        signal.signal(signal.SIGTERM, previous)


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
    for child in multiprocessing.active_children():
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
