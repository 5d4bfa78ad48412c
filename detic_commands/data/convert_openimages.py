"""Make the annotation files of OpenImages Challenge 2019 out of its tables.

    %(prog)s --split val
    %(prog)s --split train

write datasets/oid/annotations/oid_challenge_2019_val_expanded.json, with boxes and labels expanded
by the class hierarchy, and datasets/oid/annotations/oid_challenge_2019_train_bbox.json, as
annotated. They read the tables challenge-2019-*.csv and, for validation, the hierarchy in the same
folder. Sizes of images are taken from {train,validation}_sizes-00000-of-00001.csv if it is there,
else from the images; these are remembered in .picture_sizes.json beside the images, so an
interrupted run goes on where it was.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser, positive_int


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument("--split", choices=("train", "val"), required=True, help="what to make")
    parser.add_argument(
        "--path", default="datasets/oid/", help="folder of the dataset (default: %(default)s)"
    )
    parser.add_argument(
        "--workers", type=positive_int, default=8, help="images at a time (default: 8)"
    )
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.paths import dataset_path
    from detic.preparation.openimages_split import SPLITS, convert_split
    from detic.preparation.output import free_place, save

    split = SPLITS[arguments.split]
    root = dataset_path(arguments.path)
    out = free_place(root / "annotations" / split.output, arguments.overwrite)
    print(save(out, convert_split(root, split, arguments.workers)))
