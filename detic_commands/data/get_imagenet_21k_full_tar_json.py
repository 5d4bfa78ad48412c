"""List all images of an indexed ImageNet-21K with their labels.

    %(prog)s

writes datasets/imagenet/annotations/imagenet-22k_image_info.json out of the index that
tools/preprocess_imagenet22k.py makes. Sizes of images are remembered there, so an interrupted run
goes on where it was.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser, positive_int


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--tarfile_path",
        default="datasets/imagenet/metadata-22k/tar_files.npy",
        help="list of the tar files (default: %(default)s)",
    )
    parser.add_argument(
        "--tar_index_dir",
        default="datasets/imagenet/metadata-22k/tarindex_npy",
        help="folder with the arrays of each (default: %(default)s)",
    )
    parser.add_argument(
        "--out_path",
        default="datasets/imagenet/annotations/imagenet-22k_image_info.json",
        help="file to write (default: %(default)s)",
    )
    parser.add_argument(
        "--workers", type=positive_int, default=8, help="tar files at a time (default: 8)"
    )
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.paths import dataset_path
    from detic.preparation.imagenet21k import tar_categories, tar_images
    from detic.preparation.imagenet_lvis import image_label_document
    from detic.preparation.output import free_place, save

    out = free_place(dataset_path(arguments.out_path), arguments.overwrite)
    index = dataset_path(arguments.tarfile_path), dataset_path(arguments.tar_index_dir)
    categories = tar_categories(*index)
    class_ids = {category["wnid"]: category["id"] for category in categories}
    images = tar_images(*index, class_ids, arguments.workers)
    print(save(out, image_label_document(images, categories)))
