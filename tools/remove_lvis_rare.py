"""Withhold the boxes of LVIS's rare classes: the training set of the open-vocabulary benchmark.

    python tools/remove_lvis_rare.py --ann datasets/lvis/lvis_v1_train.json

writes datasets/lvis/lvis_v1_train_norare.json, where annotations of classes with frequency r are
left out and everything else stays.
"""

import argparse
from collections.abc import Sequence


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--ann",
        default="datasets/lvis/lvis_v1_train.json",
        help="LVIS annotation file (default: %(default)s)",
    )
    return parser.parse_args(argv)


def main(arguments: argparse.Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.paths import dataset_path
    from detic.preparation.lvis_variants import without_rare
    from detic.preparation.output import marked, save

    source = dataset_path(arguments.ann)
    document = read_checked_document(source, ("images", "annotations", "categories"))
    print(save(marked(source, "_norare"), without_rare(document)))


if __name__ == "__main__":
    parsed = parse_arguments()  # before the imports below, which take seconds
    from detic.cli import run

    run(main, parsed)
