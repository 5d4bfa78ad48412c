"""Fetch the images of Conceptual Captions and list them with their captions.

    %(prog)s --ann datasets/cc3m/GCC-training.tsv \\
        --save_image_path datasets/cc3m/training/ --out_path datasets/cc3m/train_image_info.json

The list has a caption, a tab and an address a line. The image of line 7 is saved as 7.jpg. An
interrupted run goes on where it was; addresses that failed are noted beside the output and not
tried again, unless that file is deleted. Servers that could not be reached are tried again by the
next run, as the network may have been down. Many addresses no longer answer.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser, positive_int, positive_number


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--ann", default="datasets/cc3m/GCC-training.tsv", help="the list (default: %(default)s)"
    )
    parser.add_argument(
        "--save_image_path",
        default="datasets/cc3m/training/",
        help="folder for the images (default: %(default)s)",
    )
    parser.add_argument(
        "--cat_info",
        metavar="FILE",
        help="LVIS annotation file to copy the categories of (default: the list of LVIS v1)",
    )
    parser.add_argument(
        "--out_path",
        default="datasets/cc3m/train_image_info.json",
        help="file to write (default: %(default)s)",
    )
    parser.add_argument(
        "--not_download_image",
        action="store_true",
        help="fetch nothing, list the images that are there",
    )
    parser.add_argument(
        "--workers", type=positive_int, default=64, help="connections (default: 64)"
    )
    parser.add_argument(
        "--timeout", type=positive_number, default=20.0, metavar="S", help="seconds (default: 20)"
    )
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.paths import dataset_path
    from detic.preparation.cc3m import (
        FetchParams,
        captioned_images,
        fetch_images,
        read_addresses,
    )
    from detic.preparation.output import free_place, save
    from detic.vocabulary import builtin_categories

    out = free_place(dataset_path(arguments.out_path), arguments.overwrite)
    addresses = read_addresses(dataset_path(arguments.ann))
    folder = dataset_path(arguments.save_image_path)
    categories = builtin_categories("lvis")
    if arguments.cat_info:
        source = dataset_path(arguments.cat_info)
        categories = read_checked_document(source, ("categories",))["categories"]
    if not arguments.not_download_image:
        failures = out.with_name(f"{out.stem}_failed.tsv")
        params = FetchParams(workers=arguments.workers, timeout_s=arguments.timeout)
        num_failed = fetch_images(addresses, folder, failures, params)
        print(f"{num_failed} addresses failed, see {failures}")
    images = captioned_images(addresses, folder)
    print(save(out, {"images": images, "categories": categories, "annotations": []}))
