"""Second tries when a GPU is out of memory."""

import pytest
import torch
from detectron2.utils.memory import retry_if_cuda_oom


def test_the_third_try_is_the_last():
    tries = []

    @retry_if_cuda_oom
    def fails(times):
        tries.append(times)
        if len(tries) <= times:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "done"

    assert fails(2) == "done"
    tries.clear()
    with pytest.raises(torch.OutOfMemoryError):
        fails(3)
    assert tries == [3, 3, 3]


def test_other_errors_are_not_retried():
    with pytest.raises(ZeroDivisionError):
        retry_if_cuda_oom(lambda: 1 / 0)()
