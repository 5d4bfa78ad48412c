"""Labels beside their images in tar files, as WebDataset reads them."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from detic.errors import InputError
from detic.files import unfinished_folder, writing
from detic.labelling.job import Job
from detic.labelling.labelled_images import ChosenImages, Images
from detic.labelling.parts import read_part
from detic.labelling.shards import Failure, content_of, suffix_of
from detic.outputs.json_lines import as_json


def merge_webdataset(images: Images, path: Path) -> None:
    """Write a folder of tar files, one a shard, with each image beside its labels in JSON.

    The images are read again from where they were; those at addresses are fetched again.

    Raises:
        InputError: they are some of the job's images, whose shards are not whole.
    """
    if isinstance(images, ChosenImages):
        raise InputError("--review does not go with webdataset, which writes whole shards")
    with unfinished_folder(path) as folder, writing(path):
        for index, shard in zip(images.shards, images.by_shard(), strict=True):
            with tarfile.open(folder / f"part-{index:05d}.tar", "w") as tar:
                _add_pairs(tar, images.job, index, shard)


def _add_pairs(tar: tarfile.TarFile, job: Job, index: int, labelled: Iterator[dict]) -> None:
    """Add the images of a shard that were labelled.

    Raises:
        InputError: the shard does not hold these images any more.
    """
    sources = job.shards[index].read()
    for entry in read_part(job.part_path(index)):
        source = next(sources, None)
        if "error" in entry:
            continue
        if source is None or isinstance(source, Failure):
            raise InputError(
                f"{entry['file_name']} is not where it was when it was labelled; put it back"
            )
        key = f"{index:05d}-{entry['image_id']:04d}"
        _add_member(tar, key + suffix_of(source.name), content_of(source))
        _add_member(tar, f"{key}.json", as_json(next(labelled)).encode())


def _add_member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file without a time or an owner: the same content makes the same bytes."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
