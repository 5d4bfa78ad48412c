"""Write the labels of a job of `detic label run` to one file, in the order of its plan.

    %(prog)s labels/ --format coco --output labels.json
    %(prog)s labels/ --format parquet --output labels.parquet      (needs pyarrow)
    %(prog)s labels/ --format webdataset --output labelled/        (images with their labels)
    %(prog)s labels/ --format html --output labels.html            (thumbnails by class)
    %(prog)s labels/ --format label-studio --review 500 --output review/
    %(prog)s labels/ --format cvat --review 500 --copy-images --output review/

The bytes do not depend on who labelled what when. Images that failed are left out; `detic label status
JOB --failures` lists them. --review writes the images first that the detector is least sure of;
`detic label import` reads what people made of them.
"""

import argparse
import logging

from detic_commands.parsing import add_overwrite, command_parser, positive_int

FORMATS = (
    *("jsonl", "coco", "lvis", "parquet", "webdataset", "html"),
    *("label-studio", "cvat", "fiftyone"),
)


def argument_parser(prog: str = "detic label merge") -> argparse.ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument("job", metavar="JOB", help="the folder of the job")
    parser.add_argument("--format", choices=FORMATS, required=True, help="what is written")
    parser.add_argument(
        "--output",
        required=True,
        metavar="PATH",
        help="a file; a new folder for webdataset, label-studio, cvat and fiftyone",
    )
    parser.add_argument(
        "--partial", action="store_true", help="merge what is there of a job that is not complete"
    )
    add_overwrite(parser)
    _add_review(parser.add_argument_group("for people to look at"))
    return parser


def _add_review(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--review",
        type=positive_int,
        metavar="N",
        help="write N images only, those first that the detector is least sure of: scores near one half, "
        "of rare classes",
    )
    group.add_argument(
        "--boxes-only", action="store_true", help="leave masks out; boxes are corrected faster"
    )
    group.add_argument(
        "--image-root",
        metavar="FOLDER",
        help="where review tools find the images: names are relative to it; by default the folder "
        "where the job was planned",
    )
    group.add_argument(
        "--copy-images",
        action="store_true",
        help="write the images too, for review tools; those in tar files, say, cannot be opened there",
    )
    group.add_argument(
        "--per-class",
        type=positive_int,
        metavar="N",
        help="thumbnails of a class in html; by default 12, with many classes fewer",
    )


def main(arguments: argparse.Namespace) -> int:
    from detic.labelling.merge import run_merge

    logging.basicConfig(format="%(message)s")
    for name in ("detic.labelling", "detic.review"):
        logging.getLogger(name).setLevel(logging.INFO)
    return run_merge(arguments)
