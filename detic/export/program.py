"""From modules to a program of torch: free sizes with names, used weights alone, no traces of us.

Shapes: H x W image, C classes, D embedding width.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from unittest import mock

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental import _config as symbolic_shapes
from torch.utils._python_dispatch import TorchDispatchMode

from detic.errors import InputError

MAX_SIDE_PX = 8192
MAX_CLASSES = 2**20
SEVERAL_CELLS_PX = 129  # of the coarsest maps, of stride 128
_SIZES_OF_ONE = "backed_size_oblivious"  # torch's name for the permission
# Of the example, which the graph is made with. Free sizes must not be equal by chance.
_EXAMPLE_HW = (192, 256)
_EXAMPLE_CLASSES = 5


class Inputs(NamedTuple):
    """What a graph is called with; the names are those of the inputs in files."""

    image: Tensor  # (H, W, 3) uint8
    class_embeddings: Tensor  # (C, D)
    thresholds: Tensor  # (C,)


class Traced(NamedTuple):
    """A program, and the smallest side of the images that it holds for, pixels."""

    program: ExportedProgram
    min_side_px: int


def trace(graph: nn.Module, embedding_dim: int, fixed_size_hw: tuple[int, int] | None) -> Traced:
    """Return the program of a graph; its weights that are never used are gone afterwards.

    Args:
        graph: called with `Inputs`.
        embedding_dim: D.
        fixed_size_hw: of all images; None: images of all sizes.
    """
    height, width = fixed_size_hw or _EXAMPLE_HW
    example = Inputs(
        torch.zeros(height, width, 3, dtype=torch.uint8),
        torch.randn(_EXAMPLE_CLASSES, embedding_dim, generator=torch.Generator().manual_seed(0)),
        torch.zeros(_EXAMPLE_CLASSES),
    )
    with torch.no_grad(), sizes_of_one_allowed(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torchvision about torch
        drop_unused_weights(graph, example)
        traced = _export(graph, example, is_fixed=fixed_size_hw is not None)
    _remove_traces(traced.program)
    return traced


def _export(graph: nn.Module, example: Inputs, is_fixed: bool) -> Traced:
    """Return the program of the smallest images that torch can make one for.

    Where maps are channels last, as those of ConvNeXt, the program holds for several rows and columns
    of cells alone.
    """
    for min_side_px in (1, SEVERAL_CELLS_PX):
        sizes = _free_sizes(min_side_px, is_fixed)
        try:
            program = torch.export.export(graph, tuple(example), dynamic_shapes=sizes, strict=False)
        except RuntimeError as error:
            if min_side_px == SEVERAL_CELLS_PX or "Constraints violated" not in str(error):
                raise
        else:
            return Traced(program, min_side_px)
    raise AssertionError("the last size is tried or raises")


def _free_sizes(min_side_px: int, is_fixed: bool) -> dict:
    classes = Dim("classes", min=1, max=MAX_CLASSES)
    sides = {
        0: Dim("height", min=min_side_px, max=MAX_SIDE_PX),
        1: Dim("width", min=min_side_px, max=MAX_SIDE_PX),
    }
    image = {} if is_fixed else sides
    return {"image": image, "class_embeddings": {0: classes}, "thresholds": {0: classes}}


def check_torch() -> None:
    """Raise InputError if torch cannot make graphs for sizes of 1, too."""
    if not hasattr(symbolic_shapes, _SIZES_OF_ONE):
        raise InputError(
            f"exporting needs torch 2.9 or later, and {torch.__version__} is installed; install what "
            "exporting needs with `pip install 'detic[export]'`"
        )


@contextmanager
def sizes_of_one_allowed() -> Iterator[None]:
    """Have torch make graphs that hold for sizes of 1, too: for one class, and for small maps."""
    with mock.patch.object(symbolic_shapes, _SIZES_OF_ONE, True):
        yield


@contextmanager
def as_in_a_graph() -> Iterator[None]:
    """Have modules compute as they do in a graph, though nothing is made of it."""
    with mock.patch("torch.compiler.is_compiling", return_value=True):
        yield


class _Uses(TorchDispatchMode):
    """Notes which tensors operations read."""

    def __init__(self):
        super().__init__()
        self.ids: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        for value in torch.utils._pytree.tree_leaves((args, kwargs)):
            if isinstance(value, Tensor):
                self.ids.add(id(value))
        return func(*args, **(kwargs or {}))


def drop_unused_weights(graph: nn.Module, example: Inputs) -> None:
    """Remove the weights that a call does not read, such as the classifier of a whole backbone."""
    with as_in_a_graph(), _Uses() as uses:
        graph(*example)
    for module in graph.modules():
        for tensors in (module._parameters, module._buffers):
            for name in [n for n, x in tensors.items() if x is not None and id(x) not in uses.ids]:
                del tensors[name]


def _remove_traces(program: ExportedProgram) -> None:
    """Remove where in our code, on our machine, each node is from."""
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                for key in ("stack_trace", "from_node", "nn_module_stack", "source_fn_stack"):
                    node.meta.pop(key, None)
