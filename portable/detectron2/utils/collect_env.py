"""A description of the software and hardware, for logs and bug reports."""

import importlib.metadata
import platform

import torch
from tabulate import tabulate

_DISTRIBUTIONS = (
    "detectron2",
    "torch",
    "torchvision",
    "fvcore",
    "iopath",
    "pycocotools",
    "numpy",
    "pillow",
)


def collect_env_info() -> str:
    """Returns a table of the platform, the versions of the libraries and the GPUs."""
    rows = [("platform", platform.platform()), ("python", platform.python_version())]
    rows += [(name, _version(name)) for name in _DISTRIBUTIONS]
    rows.append(("CUDA", torch.version.cuda or "not built in"))
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        gigabytes = properties.total_memory / 2**30
        rows.append((f"GPU {index}", f"{properties.name}, {gigabytes:.0f} GiB"))
    return tabulate(rows, tablefmt="plain")


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed as a distribution"
