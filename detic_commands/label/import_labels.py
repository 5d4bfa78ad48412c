"""Read labels that people have corrected with a review tool; write boxes to train on.

    %(prog)s corrected.json --job labels/ --output corrected/boxes.json
    %(prog)s annotations.xml --images review/images/default --output corrected/boxes.json

Files are what the tool exports: COCO, Label Studio's JSON, CVAT's "for images 1.1", YOLO, Pascal VOC.
What is written is in COCO's format. `detic train --data` takes it, and the last line that is printed is
its entry in DATALOADER.BOX_SOURCES.
"""

import argparse
import logging

from detic_commands.parsing import add_overwrite, command_parser


def argument_parser(prog: str = "detic label import") -> argparse.ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument("inputs", nargs="+", metavar="EXPORT", help="exported files or folders")
    parser.add_argument("--output", required=True, metavar="FILE", help="the file of boxes, .json")
    parser.add_argument(
        "--job",
        metavar="JOB",
        help="the folder of the job that labelled the images: no other classes are taken, and images are "
        "looked for where it was planned",
    )
    parser.add_argument(
        "--images",
        metavar="FOLDER",
        help="of the images, which none may leave; by default the job's, or that of the export",
    )
    parser.add_argument(
        "--format", metavar="NAME", help="of the exports, if it is not recognised: cvat, coco, ..."
    )
    add_overwrite(parser)
    return parser


def main(arguments: argparse.Namespace) -> int:
    from detic.review.corrections import run_import

    logging.basicConfig(format="%(message)s")
    for name in ("detic.review", "detic.own_data"):
        logging.getLogger(name).setLevel(logging.INFO)
    return run_import(arguments)
