"""Withhold the boxes of LVIS's rare classes: the training set of the open-vocabulary benchmark.

    %(prog)s --ann datasets/lvis/lvis_v1_train.json

writes datasets/lvis/lvis_v1_train_norare.json, where annotations of classes with frequency r are
left out and everything else stays.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--ann",
        default="datasets/lvis/lvis_v1_train.json",
        help="LVIS annotation file (default: %(default)s)",
    )
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.paths import dataset_path
    from detic.preparation.lvis_variants import without_rare
    from detic.preparation.output import marked, save

    source = dataset_path(arguments.ann)
    document = read_checked_document(source, ("images", "annotations", "categories"))
    print(save(marked(source, "_norare"), without_rare(document)))
