"""Withhold the boxes of LVIS's rare classes: the training set of the open-vocabulary benchmark.

    %(prog)s --ann datasets/lvis/lvis_v1_train.json

writes datasets/lvis/lvis_v1_train_norare.json, where annotations of classes with frequency r are
left out and everything else stays.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--ann",
        default="datasets/lvis/lvis_v1_train.json",
        help="LVIS annotation file (default: %(default)s)",
    )
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.paths import dataset_path
    from detic.preparation.fields import check_records
    from detic.preparation.lvis_variants import FREQUENCY, without_rare
    from detic.preparation.output import free_place, marked, save

    source = dataset_path(arguments.ann)
    out = free_place(marked(source, "_norare"), arguments.overwrite)
    document = read_checked_document(source, ("images", "annotations", "categories"))
    check_records(source, "category", document["categories"], FREQUENCY)
    print(save(out, without_rare(document)))
