"""Leave out the images of an Objects365 annotation file that are missing on disk.

    %(prog)s \\
        --ann datasets/objects365/annotations/zhiyuan_objv2_train_fixname.json \\
        --img_dir datasets/objects365/train/

writes the same name with _fixmiss before .json.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--ann",
        default="datasets/objects365/annotations/zhiyuan_objv2_train_fixname.json",
        help="annotation file (default: %(default)s)",
    )
    parser.add_argument(
        "--img_dir",
        default="datasets/objects365/train/",
        help="folder that its file names are relative to (default: %(default)s)",
    )
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.errors import InputError
    from detic.paths import dataset_path
    from detic.preparation.fields import TEXT, check_records
    from detic.preparation.objects365 import without_missing_images
    from detic.preparation.output import free_place, marked, save

    source, folder = dataset_path(arguments.ann), dataset_path(arguments.img_dir)
    out = free_place(marked(source, "_fixmiss"), arguments.overwrite)
    document = read_checked_document(source, ("images", "annotations", "categories"))
    check_records(source, "image", document["images"], {"file_name": TEXT})
    document, missing = without_missing_images(document, folder)
    if missing and not document["images"]:
        raise InputError(f"none of the {len(missing)} images is in {folder}, such as {missing[0]}")
    print(f"{len(missing)} images are missing in {folder}")
    print(save(out, document))
