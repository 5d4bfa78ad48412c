"""Count images and boxes of each class: the class frequencies of MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH.

    %(prog)s --ann datasets/lvis/lvis_v1_train.json \\
        --out_path datasets/metadata/lvis_v1_train_cat_info.json

    %(prog)s --builtin lvis \\
        --out_path datasets/metadata/lvis_v1_train_cat_info.json

The second command writes the counts that come with the project and needs no download.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser, count


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--ann", metavar="FILE", help="annotation file in the format of LVIS or COCO"
    )
    source.add_argument("--builtin", choices=("lvis",), help="counts of LVIS v1's training set")
    parser.add_argument(
        "--out_path", metavar="FILE", help="default: FILE of --ann with _cat_info before .json"
    )
    parser.add_argument(
        "--add_freq", action="store_true", help="set the frequency of each class: r, c or f"
    )
    parser.add_argument(
        "--r_thresh", type=count, default=10, help="r below this number of images (default: 10)"
    )
    parser.add_argument(
        "--c_thresh", type=count, default=100, help="c below this number of images (default: 100)"
    )
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.errors import InputError
    from detic.files import write_json
    from detic.paths import dataset_path
    from detic.preparation.lvis_variants import count_classes, with_frequencies
    from detic.preparation.output import free_place, marked
    from detic.vocabulary import builtin_categories

    if arguments.builtin and not arguments.out_path:
        raise InputError("--builtin needs --out_path, the file to write")
    source = dataset_path(arguments.ann or "")
    out = dataset_path(arguments.out_path or marked(source, "_cat_info"))
    free_place(out, arguments.overwrite)
    if arguments.builtin:
        categories = builtin_categories(arguments.builtin)
    else:
        categories = count_classes(read_checked_document(source, ("annotations", "categories")))
    if arguments.add_freq:
        categories = with_frequencies(categories, arguments.r_thresh, arguments.c_thresh)
    write_json(out, categories)
    num_empty = sum(category["image_count"] == 0 for category in categories)
    print(f"wrote {out}: {len(categories)} classes, {num_empty} of them without images")
