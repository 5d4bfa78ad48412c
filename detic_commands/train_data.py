"""Teach a detector the classes of one's own data: one command from an export to a detector.

    %(prog)s --data my_export/ --model detic-r50
    %(prog)s --data boxes.json class_images/ --val val.json --model shapes-detic --dry-run

Data are what annotation tools export: COCO, Roboflow, YOLO (data.yaml), Pascal VOC, CVAT (XML), Label
Studio (JSON), or a folder of images for each class. The command writes a recipe with the reason of each value,
evaluates the detector, trains it, evaluates it again, and reports what it gained and lost. It ends with
the commands to go on. --dry-run writes the recipe alone.
"""

import argparse
from pathlib import Path

from detic_commands.parsing import Overrides, add_overwrite, command_parser, count


def argument_parser(prog: str = "detic train") -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        prog: how the program is called.
    """
    parser = command_parser(prog, __doc__)
    _add_data(parser)
    parser.add_argument(
        "--model", default="detic-r50", metavar="NAME", help="released detector (docs/models.md)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("output/taught"), metavar="DIR", help="folder"
    )
    parser.add_argument(
        "--passes",
        type=float,
        metavar="N",
        help="passes over the largest of your sources; by default 2.5, at least 100 batches",
    )
    parser.add_argument(
        "--num-gpus", type=count, help="processes; 0: one on the CPU; by default one GPU, if any"
    )
    parser.add_argument("--dry-run", action="store_true", help="write the recipe, and end")
    add_overwrite(parser)
    parser.add_argument(
        "opts",
        nargs=argparse.REMAINDER,
        action=Overrides,
        metavar="KEY VALUE",
        help="configuration keys and values that override the recipe's, last",
    )
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        required=True,
        nargs="*",
        type=Path,
        metavar="PLACE",
        help="exports: files or folders; several are taken together",
    )
    parser.add_argument(
        "--val",
        type=Path,
        metavar="PLACE",
        help="export to validate on; by default a part of the data",
    )
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="folder of the images, if not with the data"
    )
    parser.add_argument(
        "--format", metavar="NAME", help="of the data, if it is not recognised: roboflow, yolo, ..."
    )
    replay = parser.add_mutually_exclusive_group()
    replay.add_argument(
        "--replay",
        type=lambda text: tuple(text.split(",")),
        metavar="NAMES",
        help="registered datasets to train on again, so that nothing is forgotten, separated by commas; "
        "by default those of the detector that are on this machine",
    )
    replay.add_argument(
        "--no-replay",
        dest="replay",
        action="store_const",
        const=(),
        help="train on your data alone",
    )


def main(arguments: argparse.Namespace) -> None:
    """Run the program."""
    from detectron2.utils.logger import setup_logger

    from detic.own_data.course import Order, teach
    from detic.own_data.derivation import PASSES

    setup_logger(name="detic")
    teach(
        Order(
            data=tuple(arguments.data),
            model=arguments.model,
            output=arguments.output.resolve(),
            validation=arguments.val,
            images=arguments.images,
            format=arguments.format,
            replay=arguments.replay,
            passes=PASSES if arguments.passes is None else arguments.passes,
            num_gpus=arguments.num_gpus,
            overrides=tuple(arguments.opts),
            dry_run=arguments.dry_run,
            overwrite=arguments.overwrite,
        )
    )
