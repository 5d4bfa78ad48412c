"""Detectors in processes that are forked from one that has used them."""

import os
from functools import cache

import torch


@cache
def compute_alone_after_forks() -> None:
    """Let processes that are forked from this one compute in one thread.

    A fork copies no threads: the child would wait for those of OpenMP without end.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_compute_alone)


def _compute_alone() -> None:
    torch.set_num_threads(1)
