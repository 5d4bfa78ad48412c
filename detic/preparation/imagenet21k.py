"""ImageNet-21K in its tar files: listing the images, joining the classes with those of LVIS."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np

from detic.datasets.class_lists import builtin
from detic.datasets.tar_collection import TarCollection, index_tar
from detic.errors import InputError
from detic.preparation.tables import imagenet_class_ids
from detic.progress import track

logger = logging.getLogger(__name__)


def tar_images(
    tar_list: str | os.PathLike,
    index_dir: str | os.PathLike,
    class_ids: Mapping[str, int],
    workers: int = 8,
) -> list[dict]:
    """Return an image record for each image in the tar files of some classes.

    A record has the number of the image in all tar files, ``tar_index``, instead of a file name;
    its id is the number plus 1. Images that cannot be opened are left out. Sizes are remembered
    beside the tar index, so an interrupted run goes on where it was.

    Args:
        tar_list: the ``tar_files.npy`` of the tar index.
        index_dir: the folder of its arrays.
        class_ids: category id by WordNet id, the name of the tar file.
        workers: tar files that are read at the same time.

    Raises:
        InputError: the index is missing, or there is no image of these classes.
    """
    collection = TarCollection(tar_list, index_dir)
    sizes_of = partial(_sizes_hw, index_dir=index_dir, wanted=set(class_ids))
    with ThreadPoolExecutor(workers) as pool:
        of_tars = pool.map(sizes_of, collection.tar_paths)
        sizes = list(track(of_tars, total=len(collection.tar_paths), unit="tar"))
    starts = [0, *accumulate(map(len, sizes))]
    images: list[dict] = []
    for path, start, sizes_hw in zip(collection.tar_paths, starts, sizes, strict=False):
        if path.stem in class_ids:
            images += _records(start, sizes_hw, class_ids[path.stem])
    if not images:
        raise InputError(
            f"the tar files of {tar_list} have no image of the {len(class_ids)} classes; their "
            "names should be WordNet ids like n02682922.tar"
        )
    return images


def _sizes_hw(path: Path, index_dir: str | os.PathLike, wanted: set[str]) -> np.ndarray:
    """Return the (height, width) of the images of a tar file, (N, 2); zeros unless wanted."""
    with_sizes = path.stem in wanted
    index = index_tar(path, index_dir, with_sizes=with_sizes)
    return np.array(index.sizes) if with_sizes else np.zeros((len(index.names), 2), dtype=np.int32)


def _records(start: int, sizes_hw: np.ndarray, class_id: int) -> Iterator[dict]:
    """Yield the records of one tar file; a height of -1 marks an image that cannot be opened."""
    for number, (height, width) in enumerate(sizes_hw.tolist(), start=start):
        if height > 0:
            yield {
                "id": number + 1,
                "pos_category_ids": [class_id],
                "height": height,
                "width": width,
                "tar_index": number,
            }


def tar_categories(tar_list: str | os.PathLike, index_dir: str | os.PathLike) -> list[dict]:
    """Return a category for each tar file: id (its place in the list, from 1), wnid, name, synset.

    Raises:
        InputError: a tar file is named by no class of ImageNet-21K.
    """
    names = {category["id"]: category for category in builtin("imagenet21k")}
    merged_id = imagenet_class_ids()
    categories = []
    for number, path in enumerate(TarCollection(tar_list, index_dir).tar_paths, start=1):
        if path.stem not in merged_id:
            raise InputError(
                f"{path} is named by no class of ImageNet-21K; expected WordNet ids like "
                "n02682922.tar"
            )
        entry = names[merged_id[path.stem]]
        categories.append(
            {"id": number, "wnid": path.stem, "name": entry["name"], "synset": entry["synset"]}
        )
    return categories


def merged_categories(lvis_categories: Sequence[dict]) -> list[dict]:
    """Return the 22047 classes of LVIS and ImageNet-21K, those of LVIS as its file has them.

    All classes are there, whichever of them have images, because the columns of the released
    classifiers are their ids.
    """
    of_lvis = {category["id"]: category for category in lvis_categories}
    return [of_lvis.get(category["id"], category) for category in builtin("imagenet21k")]


def with_merged_ids(images: Sequence[dict], categories: Sequence[dict]) -> list[dict]:
    """Return image records with ids of the merged classes in ``pos_category_ids``.

    Classes are matched by synset. The released models have 1702 classes that share their name
    with another, which matching by name would merge.

    Args:
        images: with ``pos_category_ids``; those of unknown classes alone are left out.
        categories: what these ids mean; with ``synset``.

    Raises:
        InputError: a category has no synset.
    """
    unnamed = [category["id"] for category in categories if "synset" not in category]
    if unnamed:
        raise InputError(f"category {unnamed[0]} has no 'synset'; expected classes of ImageNet")
    id_of = {category["synset"]: category["id"] for category in builtin("imagenet21k")}
    merged_id = {c["id"]: id_of[c["synset"]] for c in categories if c["synset"] in id_of}
    remapped = []
    for image in track(images, description="joint classes", unit="image"):
        ids = {merged_id[i] for i in image.get("pos_category_ids", ()) if i in merged_id}
        if ids:
            remapped.append({**image, "pos_category_ids": sorted(ids)})
    return remapped
