"""Give a split file of open-vocabulary COCO all 80 classes of COCO, in COCO's order.

    %(prog)s \\
        --data_path datasets/coco/zero-shot/instances_train2017_seen_2.json
    %(prog)s \\
        --data_path datasets/coco/zero-shot/instances_val2017_all_2.json

write the same names with _oriorder before .json.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--data_path",
        default="datasets/coco/zero-shot/instances_val2017_all_2.json",
        help="split file (default: %(default)s)",
    )
    parser.add_argument(
        "--cat_path",
        default="datasets/coco/annotations/instances_val2017.json",
        help="COCO annotation file to copy the categories of (default: %(default)s)",
    )
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.paths import dataset_path
    from detic.preparation.coco_zeroshot import with_categories
    from detic.preparation.output import free_place, marked, save

    source = dataset_path(arguments.data_path)
    out = free_place(marked(source, "_oriorder"), arguments.overwrite)
    document = read_checked_document(source, ("images", "annotations"))
    categories = read_checked_document(dataset_path(arguments.cat_path), ("categories",))[
        "categories"
    ]
    print(save(out, with_categories(document, categories)))
