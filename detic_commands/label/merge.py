"""Write the labels of a job of `detic label run` to one file, in the order of its plan.

    %(prog)s labels/ --format coco --output labels.json
    %(prog)s labels/ --format parquet --output labels.parquet      (needs pyarrow)
    %(prog)s labels/ --format webdataset --output labelled/        (images with their labels)

The bytes do not depend on who labelled what when. Images that failed are left out; `detic label status
JOB --failures` lists them.
"""

import argparse
import logging

from detic_commands.parsing import add_overwrite, command_parser

FORMATS = ("jsonl", "coco", "lvis", "parquet", "webdataset")


def argument_parser(prog: str = "detic label merge") -> argparse.ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument("job", metavar="JOB", help="the folder of the job")
    parser.add_argument("--format", choices=FORMATS, required=True, help="what is written")
    parser.add_argument(
        "--output", required=True, metavar="PATH", help="a file; a folder for webdataset"
    )
    parser.add_argument(
        "--partial", action="store_true", help="merge what is there of a job that is not complete"
    )
    add_overwrite(parser)
    return parser


def main(arguments: argparse.Namespace) -> int:
    from detic.labelling.merge import run_merge

    logging.basicConfig(format="%(message)s")
    logging.getLogger("detic.labelling").setLevel(logging.INFO)
    return run_merge(arguments)
