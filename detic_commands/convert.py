"""Convert a detector's checkpoint to mmdetection's tensor names, or from them to ours.

    %(prog)s models/BoxSup-C2_L_CLIP_R5021k_640b64_4x.pth mmdet.pth --to mmdet

Values stay bit by bit. MODEL.WEIGHTS takes checkpoints of either kind, so nothing has to be
converted for this project; DST has the names of the released models, which detectron2 itself can
load.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from detic_commands.parsing import add_overwrite, command_parser

KINDS = ("mmdet", "detectron2")  # keys of detic.checkpoint.conversion.CONVERTERS


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument("src", metavar="SRC", help="checkpoint to read: a path or an address")
    parser.add_argument("dst", metavar="DST", help="checkpoint to write, a .pth file")
    parser.add_argument("--to", choices=KINDS, required=True, help="whose names DST has")
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.checkpoint.conversion import convert
    from detic.errors import InputError
    from detic.paths import find_file, looked_for
    from detic.preparation.output import free_place
    from detic.weight_files import read_weights, write_checkpoint

    source, destination = Path(arguments.src), Path(arguments.dst)
    if source.resolve() == destination.resolve():
        raise InputError(f"SRC and DST are both {destination}; give the result another name")
    if "://" not in arguments.src and not find_file(source).is_file():
        raise InputError(f"no checkpoint at {source}; {looked_for(source)}")
    if destination.suffix == ".safetensors":
        raise InputError(f"{destination} would not be read by others; checkpoints are .pth files")
    free_place(destination, arguments.overwrite)
    write_checkpoint(destination, convert(read_weights(arguments.src), arguments.to))
    print(f"wrote {destination}")
