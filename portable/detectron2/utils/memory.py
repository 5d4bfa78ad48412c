"""Going on when the memory of the GPU is full."""

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator

import torch

logger = logging.getLogger(__name__)


def retry_if_cuda_oom(func: Callable) -> Callable:
    """Return `func` with second and third tries if a GPU runs out of memory.

    The second try is made after freeing what torch holds in reserve, the third with all tensors
    among the arguments on the CPU. Then the result is on the CPU, too.
    """

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        with _ignore_out_of_memory():
            return func(*args, **kwargs)
        torch.cuda.empty_cache()
        with _ignore_out_of_memory():
            return func(*args, **kwargs)
        logger.info("a GPU is out of memory: %s runs on the CPU", func)
        args = [_on_cpu(value) for value in args]
        return func(*args, **{name: _on_cpu(value) for name, value in kwargs.items()})

    return wrapped


@contextlib.contextmanager
def _ignore_out_of_memory() -> Iterator[None]:
    with contextlib.suppress(torch.OutOfMemoryError):
        yield


def _on_cpu(value):
    is_on_gpu = getattr(getattr(value, "device", None), "type", "cpu") == "cuda"
    return value.to(device="cpu") if is_on_gpu and hasattr(value, "to") else value
