"""ImageNet images of LVIS classes: unpacking the tar files, listing the images."""

import os
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from detic.datasets.image_sizes import read_image_sizes
from detic.errors import InputError
from detic.files import unfinished_folder
from detic.images import is_image_name
from detic.progress import track


def read_wnids(path: str | os.PathLike) -> list[str]:
    """Return the WordNet ids of a text file, one a line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").split()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    wrong = [line for line in lines if not (line.startswith("n") and line[1:].isdigit())]
    if wrong or not lines:
        raise InputError(
            f"{path} has {wrong[:1] or 'no line'}; expected WordNet ids like n02682922"
        )
    return lines


def unpack_classes(
    source: str | os.PathLike,
    destination: str | os.PathLike,
    wnids: Sequence[str],
    workers: int = 8,
) -> list[str]:
    """Unpack ``<wnid>.tar`` into the folder ``<wnid>`` for each class; return the missing classes.

    Folders that are there already are taken for complete: a class appears under its name when its
    last file is written.

    Args:
        source: folder of the tar files.
        destination: where the folders go; made if it is missing.
        wnids: the classes.
        workers: classes that are unpacked at the same time.

    Raises:
        InputError: a tar file is damaged, or none of the tar files is there.
    """
    source, destination = Path(source), Path(destination)
    missing = [
        w for w in wnids if not (destination / w).is_dir() and not (source / f"{w}.tar").is_file()
    ]
    if len(missing) == len(wnids):
        raise InputError(
            f"{source} has none of the {len(wnids)} tar files such as {wnids[0]}.tar; it should be "
            "the unpacked ImageNet-21K archive"
        )
    destination.mkdir(parents=True, exist_ok=True)
    pending = [w for w in wnids if w not in missing and not (destination / w).is_dir()]
    unpack = partial(_unpack, source=source, destination=destination)
    with ThreadPoolExecutor(workers) as pool:
        for _ in track(pool.map(unpack, pending), total=len(pending), unit="class"):
            pass
    return missing


def _unpack(wnid: str, source: Path, destination: Path) -> None:
    try:
        with (
            unfinished_folder(destination / wnid) as unfinished,
            tarfile.open(source / f"{wnid}.tar") as tar,
        ):
            tar.extractall(unfinished, filter="data")  # refuses links and paths that lead outside
    except (tarfile.TarError, EOFError) as error:
        raise InputError(
            f"{source / wnid}.tar is damaged or no tar file of images ({error}); fetch it again"
        ) from error


def list_images(
    folder: str | os.PathLike, class_ids: Mapping[str, int], workers: int = 8
) -> list[dict]:
    """Return an image record for each image in the folders of the classes.

    Folders and files come by name, and ids count from 1. Sizes are those after turning an image
    as its EXIF data ask. Images that cannot be opened are left out.

    Args:
        folder: holds a folder for each class, named by its WordNet id.
        class_ids: category id by WordNet id; other folders are passed over.
        workers: images that are opened at the same time.

    Raises:
        InputError: there is no image.
    """
    folder = Path(folder)
    files = list(_image_files(folder, class_ids))
    if not files:
        raise InputError(
            f"no images in {folder}; expected folders such as {next(iter(class_ids))} (see "
            "tools/unzip_imagenet_lvis.py)"
        )
    sizes = read_image_sizes(folder, files, workers)
    readable = [(name, size) for name, size in zip(files, sizes, strict=True) if size is not None]
    return [
        {
            "id": number,
            "file_name": name,
            "width": width,
            "height": height,
            "pos_category_ids": [class_ids[name.split("/")[0]]],
        }
        for number, (name, (height, width)) in enumerate(readable, start=1)
    ]


def _image_files(folder: Path, class_ids: Mapping[str, int]) -> Iterator[str]:
    """Yield ``wnid/file`` in order."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; make it with tools/unzip_imagenet_lvis.py")
    for wnid in sorted(entry.name for entry in folder.iterdir() if entry.name in class_ids):
        yield from (
            f"{wnid}/{name}" for name in sorted(os.listdir(folder / wnid)) if is_image_name(name)
        )


def image_label_document(images: Sequence[dict], categories: Sequence[dict]) -> dict:
    """Return an annotation file of image labels.

    Args:
        images: with ``pos_category_ids``.
        categories: theirs; ``image_count`` becomes the number of these images.
    """
    counts = Counter(class_id for image in images for class_id in image["pos_category_ids"])
    counted = [{**c, "image_count": counts[c["id"]]} for c in categories]
    return {"images": list(images), "categories": counted, "annotations": []}
