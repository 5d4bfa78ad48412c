"""Survival of GPU memory shortage."""

import functools
import logging
from collections.abc import Callable
from typing import Any

import torch


def retry_if_cuda_oom(func: Callable) -> Callable:
    """Returns `func` with two more attempts when GPU memory runs out.

    The second attempt comes after torch's unused cached memory is freed. The third has
    the tensor arguments on the CPU, and so has its result: a function that hands the result on must
    be ready for that. `func` must not have side effects.
    """
    logger = logging.getLogger(__name__)

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        # Nothing is retried inside an except block: there the traceback keeps tensors alive.
        try:
            return func(*args, **kwargs)
        except torch.OutOfMemoryError:
            logger.debug("GPU memory ran out; freeing cached memory")
        torch.cuda.empty_cache()
        try:
            return func(*args, **kwargs)
        except torch.OutOfMemoryError:
            logger.info("GPU memory ran out twice in %s; computing on the CPU", func.__name__)
        moved = [_to_cpu(value) for value in args]
        return func(*moved, **{name: _to_cpu(value) for name, value in kwargs.items()})

    return wrapped


def _to_cpu(value: Any) -> Any:
    return value.cpu() if isinstance(value, torch.Tensor) else value
