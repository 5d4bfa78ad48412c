"""Convert a detector's checkpoint to mmdetection's tensor names, or from them to ours.

    python tools/convert_checkpoint.py models/BoxSup-C2_L_CLIP_R5021k_640b64_4x.pth mmdet.pth --to mmdet

Values stay bit by bit. MODEL.WEIGHTS takes checkpoints of either kind, so nothing has to be
converted for this project; DST has the names of the released models, which detectron2 itself can
load.
"""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from detic.checkpoint.load_report import group_names
from detic.checkpoint.mmdet import Converted, from_mmdet, is_mmdet, to_mmdet
from detic.cli import argument_parser, run
from detic.errors import InputError
from detic.weight_files import read_weights, write_checkpoint

# Tensors that a detector of the other kind builds itself or does without.
_DROPPED = ("pixel_", "text_encoder.", "backbone.bottom_up.base.fc.", "data_preprocessor.")


def main(args: Namespace) -> None:
    source, destination = Path(args.src), Path(args.dst)
    if source.resolve() == destination.resolve():
        raise InputError(f"SRC and DST are both {destination}; give the result another name")
    write_checkpoint(destination, convert(read_weights(args.src), args.to))
    print(f"wrote {destination}")


def convert(tensors: Mapping[str, Tensor], to: str) -> dict[str, Any]:
    """Return the content of the checkpoint that holds ``tensors`` under the names of ``to``.

    Args:
        tensors: state dict of a detector of the other kind.
        to: "mmdet" or "detectron2".

    Raises:
        InputError: the detector is of that kind already, or has parts that the other kind lacks.
    """
    if is_mmdet(tensors) == (to == "mmdet"):
        raise InputError(f"SRC has the names of {to} already; use it as it is")
    key, rename = CONVERTERS[to]
    converted = rename(tensors)
    lost = [name for name in converted.left_over if not name.startswith(_DROPPED)]
    if lost:
        raise InputError(
            f"the other side has no counterpart of {group_names(lost)}; only the ResNet-50 and Swin "
            "recipes with CLIP classifiers exist on both"
        )
    return {key: converted.tensors}


# Where a checkpoint of each kind keeps its weights, and what gives them their names.
CONVERTERS: dict[str, tuple[str, Callable[[Mapping[str, Tensor]], Converted]]] = {
    "mmdet": ("state_dict", to_mmdet),
    "detectron2": ("model", from_mmdet),
}


def parse_arguments(argv: Sequence[str] | None = None) -> Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("src", metavar="SRC", help="checkpoint to read: a path or an address")
    parser.add_argument("dst", metavar="DST", help="checkpoint to write, a .pth file")
    parser.add_argument("--to", choices=CONVERTERS, required=True, help="whose names DST has")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run(main, parse_arguments())
