"""Leave out the images of an Objects365 annotation file that are missing on disk.

    %(prog)s \\
        --ann datasets/objects365/annotations/zhiyuan_objv2_train_fixname.json \\
        --img_dir datasets/objects365/train/

writes the same name with _fixmiss before .json.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import command_parser


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
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.errors import InputError
    from detic.paths import dataset_path
    from detic.preparation.objects365 import without_missing_images
    from detic.preparation.output import marked, save

    source, folder = dataset_path(arguments.ann), dataset_path(arguments.img_dir)
    document = read_checked_document(source, ("images", "annotations", "categories"))
    document, missing = without_missing_images(document, folder)
    if missing and not document["images"]:
        raise InputError(f"none of the {len(missing)} images is in {folder}, such as {missing[0]}")
    print(f"{len(missing)} images are missing in {folder}")
    print(save(marked(source, "_fixmiss"), document))
