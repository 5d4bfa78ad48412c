"""List the ImageNet images of LVIS's classes with their labels.

    %(prog)s --imagenet_path datasets/imagenet/ImageNet-LVIS/ \\
        --out_path datasets/imagenet/annotations/imagenet_lvis_image_info.json

The folders are those that tools/unzip_imagenet_lvis.py makes. Sizes of images are remembered in
.picture_sizes.json beside them, so an interrupted run goes on where it was. Without unpacking, images are
listed where they are in the tar files; train with DATALOADER.USE_TAR_DATASET True then:

    %(prog)s --from_tars \\
        --out_path datasets/imagenet/annotations/imagenet_lvis_image_info.json
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser, positive_int


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--imagenet_path",
        default="datasets/imagenet/ImageNet-LVIS/",
        help="folder with a folder for each class (default: %(default)s)",
    )
    parser.add_argument(
        "--from_tars", action="store_true", help="take the images of the tar index instead"
    )
    parser.add_argument(
        "--tarfile_path",
        default="datasets/imagenet/metadata-22k/tar_files.npy",
        help="tar index, see tools/preprocess_imagenet22k.py (default: %(default)s)",
    )
    parser.add_argument(
        "--tar_index_dir",
        default="datasets/imagenet/metadata-22k/tarindex_npy",
        help="its arrays (default: %(default)s)",
    )
    parser.add_argument(
        "--lvis_meta_path",
        metavar="FILE",
        help="LVIS annotation file to copy the categories of (default: the list of LVIS v1)",
    )
    parser.add_argument(
        "--out_path",
        default="datasets/imagenet/annotations/imagenet_lvis_image_info.json",
        help="file to write (default: %(default)s)",
    )
    parser.add_argument(
        "--workers", type=positive_int, default=8, help="files at a time (default: 8)"
    )
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.paths import dataset_path
    from detic.preparation.imagenet21k import tar_images
    from detic.preparation.imagenet_lvis import image_label_document, list_images
    from detic.preparation.output import free_place, save
    from detic.preparation.tables import imagenet_to_lvis
    from detic.vocabulary import builtin_categories

    out = free_place(dataset_path(arguments.out_path), arguments.overwrite)
    categories = builtin_categories("lvis")
    if arguments.lvis_meta_path:
        source = dataset_path(arguments.lvis_meta_path)
        categories = read_checked_document(source, ("categories",))["categories"]
    if arguments.from_tars:
        index = dataset_path(arguments.tarfile_path), dataset_path(arguments.tar_index_dir)
        images = tar_images(*index, imagenet_to_lvis(), arguments.workers)
    else:
        folder = dataset_path(arguments.imagenet_path)
        images = list_images(folder, imagenet_to_lvis(), arguments.workers)
    document = image_label_document(images, categories)
    print(save(out, document))
