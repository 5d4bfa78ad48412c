"""Give LVIS and ImageNet-21K one class list: the 1203 classes of LVIS and 20844 more.

    %(prog)s \\
        --imagenet_path datasets/imagenet/annotations/imagenet-22k_image_info.json \\
        --lvis_path datasets/lvis/lvis_v1_train.json

writes datasets/imagenet/annotations/imagenet-22k_image_info_lvis-22k.json and
datasets/lvis/lvis_v1_train_lvis-22k.json.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import command_parser


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
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.files import write_json
    from detic.paths import dataset_path
    from detic.preparation.imagenet21k import merged_categories, with_merged_ids
    from detic.preparation.output import marked, save

    source = dataset_path(arguments.lvis_path)
    lvis = read_checked_document(source, ("images", "categories"))
    categories = merged_categories(lvis["categories"])
    if not arguments.not_save_lvis:
        print(save(marked(source, f"_{arguments.mark}"), {**lvis, "categories": categories}))
    if not arguments.not_save_imagenet:
        source = dataset_path(arguments.imagenet_path)
        imagenet = read_checked_document(source, ("images", "categories"))
        images = with_merged_ids(imagenet["images"], imagenet["categories"])
        merged = {**imagenet, "images": images, "categories": categories}
        print(save(marked(source, f"_{arguments.mark}"), merged))
    if arguments.save_categories:
        write_json(dataset_path(arguments.save_categories), categories)
