"""Leave out the images of an Objects365 annotation file that are missing on disk.

    python tools/fix_o365_path.py \\
        --ann datasets/objects365/annotations/zhiyuan_objv2_train_fixname.json \\
        --img_dir datasets/objects365/train/

writes the same name with _fixmiss before .json.
"""

import argparse
from collections.abc import Sequence


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    return parser.parse_args(argv)


def main(arguments: argparse.Namespace) -> None:
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


if __name__ == "__main__":
    parsed = parse_arguments()  # before the imports below, which take seconds
    from detic.cli import run

    run(main, parsed)
