"""Unpack the 997 tar files of ImageNet-21K whose classes LVIS has.

    %(prog)s --src_path datasets/imagenet/ImageNet-21K/ \\
        --dst_path datasets/imagenet/ImageNet-LVIS/

An interrupted run goes on where it was. Classes without a tar file are listed at the end.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import command_parser, positive_int


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--src_path",
        default="datasets/imagenet/ImageNet-21K/",
        help="folder with a tar file for each class (default: %(default)s)",
    )
    parser.add_argument(
        "--dst_path",
        default="datasets/imagenet/ImageNet-LVIS/",
        help="gets a folder for each class (default: %(default)s)",
    )
    parser.add_argument(
        "--data_path", metavar="FILE", help="WordNet ids, one a line (default: the 997 of LVIS)"
    )
    parser.add_argument(
        "--workers", type=positive_int, default=8, help="classes at a time (default: 8)"
    )
    return parser


def main(arguments: Namespace) -> int | None:
    from detic.errors import some_of
    from detic.paths import dataset_path
    from detic.preparation.imagenet_lvis import read_wnids, unpack_classes
    from detic.preparation.tables import imagenet_to_lvis

    wnids = list(imagenet_to_lvis())
    if arguments.data_path:
        wnids = read_wnids(dataset_path(arguments.data_path))
    source, destination = dataset_path(arguments.src_path), dataset_path(arguments.dst_path)
    missing = unpack_classes(source, destination, wnids, arguments.workers)
    print(f"{destination} has {len(wnids) - len(missing)} of {len(wnids)} classes")
    if missing:
        print(f"{source} lacks the tar files of {some_of(missing)}")
    return 1 if missing else 0
