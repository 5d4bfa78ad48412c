"""Split COCO 2017 into the seen and unseen classes of open-vocabulary COCO.

    %(prog)s --annotations datasets/coco/annotations/ \\
        --out_path datasets/coco/zero-shot/

writes instances_train2017_seen_2.json and instances_val2017_{seen,unseen,all}_2.json.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--annotations",
        default="datasets/coco/annotations/",
        help="folder with instances_{train,val}2017.json (default: %(default)s)",
    )
    parser.add_argument(
        "--out_path",
        default="datasets/coco/zero-shot/",
        help="folder for the split files (default: %(default)s)",
    )
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.paths import dataset_path
    from detic.preparation.coco_zeroshot import GROUPS, keep_group
    from detic.preparation.output import free_place, save

    source, out = dataset_path(arguments.annotations), dataset_path(arguments.out_path)
    places = {
        (split, group): free_place(out / f"instances_{split}_{group}_2.json", arguments.overwrite)
        for split, groups in GROUPS.items()
        for group in groups
    }
    for split, groups in GROUPS.items():
        path = source / f"instances_{split}.json"
        document = read_checked_document(path, ("images", "annotations", "categories"))
        for group in groups:
            print(save(places[split, group], keep_group(document, group)))
