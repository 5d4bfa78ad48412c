"""A description of the software and hardware, for logs and bug reports."""

import platform

import detectron2
import numpy
import PIL
import torch
import torchvision
from tabulate import tabulate


def collect_env_info() -> str:
    """Return a table of the platform, the versions of the libraries and the GPUs."""
    rows = [("platform", platform.platform()), ("python", platform.python_version())]
    libraries = (detectron2, torch, torchvision, numpy, PIL)
    rows += [(library.__name__, library.__version__) for library in libraries]
    rows.append(("CUDA", torch.version.cuda or "not built in"))
    for index in range(torch.cuda.device_count()):
        rows.append((f"GPU {index}", torch.cuda.get_device_name(index)))
    return tabulate(rows, tablefmt="plain")
