"""Give LVIS and ImageNet-21K one class list: the 1203 classes of LVIS and 20844 more.

    %(prog)s \\
        --imagenet_path datasets/imagenet/annotations/imagenet-22k_image_info.json \\
        --lvis_path datasets/lvis/lvis_v1_train.json

writes datasets/imagenet/annotations/imagenet-22k_image_info_lvis-22k.json and
datasets/lvis/lvis_v1_train_lvis-22k.json.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--imagenet_path",
        default="datasets/imagenet/annotations/imagenet-22k_image_info.json",
        help="image labels of ImageNet-21K (default: %(default)s)",
    )
    parser.add_argument(
        "--lvis_path",
        default="datasets/lvis/lvis_v1_train.json",
        help="LVIS annotation file (default: %(default)s)",
    )
    parser.add_argument(
        "--mark", default="lvis-22k", help="ends the names of both files (default: %(default)s)"
    )
    parser.add_argument(
        "--not_save_imagenet", action="store_true", help="leave ImageNet's file out"
    )
    parser.add_argument("--not_save_lvis", action="store_true", help="leave LVIS's file out")
    parser.add_argument(
        "--save_categories", metavar="FILE", help="also write the class list, as json"
    )
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.files import write_json
    from detic.paths import dataset_path
    from detic.preparation.fields import check_records
    from detic.preparation.imagenet21k import (
        LABELS,
        SYNSET,
        merged_categories,
        with_merged_ids,
    )
    from detic.preparation.output import free_place, marked, save

    paths = dataset_path(arguments.lvis_path), dataset_path(arguments.imagenet_path)
    lvis_out, imagenet_out = (marked(path, f"_{arguments.mark}") for path in paths)
    out = arguments.save_categories and dataset_path(arguments.save_categories)
    wanted = {lvis_out: not arguments.not_save_lvis, imagenet_out: not arguments.not_save_imagenet}
    for place in [path for path, is_wanted in wanted.items() if is_wanted] + [out] * bool(out):
        free_place(place, arguments.overwrite)
    lvis = read_checked_document(paths[0], ("images", "categories"))
    categories = merged_categories(lvis["categories"])
    if wanted[lvis_out]:
        print(save(lvis_out, {**lvis, "categories": categories}))
    if wanted[imagenet_out]:
        imagenet = read_checked_document(paths[1], ("images", "categories"))
        check_records(paths[1], "image", imagenet["images"], {}, optional=LABELS)
        check_records(paths[1], "category", imagenet["categories"], SYNSET)
        images = with_merged_ids(imagenet["images"], imagenet["categories"])
        print(save(imagenet_out, {**imagenet, "images": images, "categories": categories}))
    if out:
        write_json(out, categories)
