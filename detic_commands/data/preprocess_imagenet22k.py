"""Index the tar files of ImageNet-21K, so that images can be read without unpacking them.

    %(prog)s --imagenet_path datasets/imagenet/ImageNet-21K/ \\
        --out_path datasets/imagenet/metadata-22k/

writes tar_files.npy and tarindex_npy/. Tar files are named relative to the index, so both can be
moved together. An interrupted run goes on where it was.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--imagenet_path",
        default="datasets/imagenet/ImageNet-21K/",
        help="folder with a tar file for each class (default: %(default)s)",
    )
    parser.add_argument(
        "--out_path",
        default="datasets/imagenet/metadata-22k/",
        help="folder for the index (default: %(default)s)",
    )
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.tar_collection import write_tar_collection
    from detic.errors import InputError
    from detic.paths import dataset_path

    source, out = dataset_path(arguments.imagenet_path), dataset_path(arguments.out_path)
    tars = list(source.glob("*.tar"))
    if not tars:
        raise InputError(f"no tar files such as n02682922.tar in {source}")
    index = write_tar_collection(tars, out / "tar_files.npy", out / "tarindex_npy", progress=True)
    print(f"wrote {out}: {len(index)} images in {len(index.tar_paths)} tar files")
