"""Compiling parts of a detector by ``torch.compile``."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec

import torch
from torch import nn

from detic.errors import InputError
from detic.modeling.build import DetectionModel
from detic.modeling.detr.meta_arch import DeformableDetr


def compile_backbone(model: DetectionModel) -> None:
    """Have the backbone compiled when it is first used.

    Raises:
        InputError: there is no compiler for the device of the model.
    """
    _compile([_backbone(model)], model.device)


def compile_for_inference(model: DetectionModel) -> None:
    """Have backbone and heads compiled when they are first used: once for maps of all sizes.

    Raises:
        InputError: there is no compiler for the device of the model.
    """
    _compile(_parts(model), model.device)


def _backbone(model: DetectionModel) -> nn.Module:
    return model.detr.backbone[0] if isinstance(model, DeformableDetr) else model.backbone


def _parts(model: DetectionModel) -> Iterator[nn.Module]:
    yield _backbone(model)
    if isinstance(model, DeformableDetr):
        return
    heads = model.roi_heads
    for part in (
        getattr(model.proposal_generator, "centernet_head", None),
        *getattr(heads, "box_head", ()),
        getattr(heads, "res5", None),
        # Its forward pass handles instances, which cannot be compiled; its layers can.
        *getattr(heads, "mask_head", ()),
    ):
        if part is not None:
            yield part


def _compile(parts: Iterable[nn.Module], device: torch.device) -> None:
    _check_compiler(device)
    for part in parts:
        part.compile(dynamic=True)


def _check_compiler(device: torch.device) -> None:
    """Raise if torch lacks what it compiles with: C++ for a CPU, Triton for a GPU."""
    if device.type == "cuda":
        if find_spec("triton") is None:
            raise InputError(
                "compiling for a GPU needs the package triton; install it, or do not compile"
            )
        return
    compiler = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        raise InputError(
            f"compiling needs a C++ compiler, and {compiler!r} was not found; install one, name it by "
            "CXX in the environment, or do not compile"
        )
