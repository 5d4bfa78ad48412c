"""The machine: processors, GPUs, memory that processes share."""

import os
import shutil
from importlib import import_module
from pathlib import Path

from detic_commands.diagnosis.line import Line, size_text

SHARED_MEMORY = Path("/dev/shm")
ENOUGH_SHARED_BYTES = 2**30  # for the batches of a few workers


def machine_lines() -> list[Line]:
    """Return what there is to compute with."""
    return [*_processor_lines(), *_gpu_lines(), *shared_memory_lines(SHARED_MEMORY)]


def _processor_lines() -> list[Line]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        threads = f", {import_module('torch').get_num_threads()} threads of torch"
    except Exception:  # said among the packages
        threads = ""
    return [Line("CPU", f"{usable} cores{threads}")]


def _gpu_lines() -> list[Line]:
    try:
        torch = import_module("torch")
    except Exception:  # said among the packages
        return [Line("GPU", "not looked at, for want of torch")]
    if torch.cuda.is_available():
        devices = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
        return [
            Line(f"cuda:{i}", f"{device.name}, {size_text(device.total_memory)}")
            for i, device in enumerate(devices)
        ]
    if torch.backends.mps.is_available():
        return [Line("mps", "Apple's GPU")]
    if Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi"):
        built_for = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPUs alone"
        return [
            Line(
                "GPU",
                "one is there, but torch cannot use it",
                f"torch {torch.__version__} was built for {built_for} and cannot use the GPU; "
                "install a torch that fits the driver (nvidia-smi tells its CUDA version)",
            )
        ]
    return [Line("GPU", "none")]


def shared_memory_lines(folder: Path) -> list[Line]:
    """Return how much memory worker processes can share.

    Args:
        folder: where the system has it; no line if it has none.
    """
    if not folder.is_dir():
        return []
    num_bytes = shutil.disk_usage(folder).total
    wrong = None
    if num_bytes < ENOUGH_SHARED_BYTES:
        wrong = (
            f"{size_text(num_bytes)} are too little for the workers of a training, "
            "which end by a bus error; start the container with --shm-size 8g, or train with "
            "DATALOADER.NUM_WORKERS 0"
        )
    return [Line("shared memory", size_text(num_bytes), wrong)]
