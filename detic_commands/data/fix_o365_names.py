"""Correct the misspelt class names of Objects365 v2.

    %(prog)s --ann datasets/objects365/annotations/zhiyuan_objv2_train.json
    %(prog)s --ann datasets/objects365/annotations/zhiyuan_objv2_val.json

write the same names with _fixname before .json.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--ann",
        default="datasets/objects365/annotations/zhiyuan_objv2_val.json",
        help="Objects365 v2 annotation file (default: %(default)s)",
    )
    parser.add_argument(
        "--fix_name_map",
        metavar="FILE",
        help="table id,released name,corrected name (default: the 13 corrections of the project)",
    )
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.paths import dataset_path
    from detic.preparation.objects365 import fix_names, read_name_fixes
    from detic.preparation.output import free_place, marked, save
    from detic.preparation.tables import objects365_names

    fixes = objects365_names()
    if arguments.fix_name_map:
        fixes = read_name_fixes(dataset_path(arguments.fix_name_map))
    source = dataset_path(arguments.ann)
    out = free_place(marked(source, "_fixname"), arguments.overwrite)
    document = read_checked_document(source, ("images", "annotations", "categories"))
    print(save(out, fix_names(document, fixes)))
