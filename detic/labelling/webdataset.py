"""Labels beside their images in tar files, as WebDataset reads them."""

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from detic.files import unfinished_folder
from detic.image_sources import ImageSource
from detic.labelling.job import Job
from detic.labelling.labelled_images import LabelledImages
from detic.labelling.parts import read_part
from detic.labelling.shards import Failure, opened
from detic.outputs.json_lines import as_json


def merge_webdataset(images: LabelledImages, path: Path) -> None:
    """Write a folder of tar files, one a shard, with each image beside its labels in JSON.

    The images are read again from where they were; those at addresses are fetched again.
    """
    with unfinished_folder(path) as folder:
        for index, shard in zip(images.shards, images.by_shard(), strict=True):
            with tarfile.open(folder / f"part-{index:05d}.tar", "w") as tar:
                _add_pairs(tar, images.job, index, shard)


def _add_pairs(tar: tarfile.TarFile, job: Job, index: int, labelled: Iterator[dict]) -> None:
    sources = enumerate(job.shards[index].read(), start=1)
    entries = read_part(job.part_path(index))
    for (place, source), entry in zip(sources, entries, strict=True):
        if isinstance(source, Failure) or "error" in entry:
            continue
        key = f"{index:05d}-{place:04d}"
        suffix = Path(source.name.partition("?")[0]).suffix.lower() or ".jpg"
        _add_member(tar, key + suffix, _content(source))
        _add_member(tar, f"{key}.json", as_json(next(labelled)).encode())


def _content(image: ImageSource) -> bytes:
    """Return the file of an image."""
    content = image.fetched().content
    if isinstance(content, bytes):
        return content
    with opened(os.path.expanduser(image.name)) as file:
        return file.read()


def _add_member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file without a time or an owner: the same content makes the same bytes."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
