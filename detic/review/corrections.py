"""``detic label import``: what people corrected with a review tool, as boxes to train on."""

import logging
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote

import yaml

from detic.datasets.image_labels.class_index import ClassIndex
from detic.errors import InputError, some_of
from detic.files import refuse_existing, write_json
from detic.labelling.job import Job, open_job
from detic.own_data.annotated import AnnotatedImage
from detic.own_data.conversion import document, with_common_names
from detic.own_data.formats import read_export
from detic.paths import at_home

logger = logging.getLogger(__name__)


def run_import(arguments: Namespace) -> int:
    """Write corrected labels as one file in COCO's format, and say how it is trained on.

    Args:
        arguments: of ``detic label import``.

    Raises:
        InputError: a file is of no known format, or damaged; an image is missing, elsewhere or in two
            files; a class is none of the job's.
    """
    output = at_home(arguments.output)
    refuse_existing(output, arguments.overwrite)
    job = None if arguments.job is None else open_job(at_home(arguments.job))
    places = [at_home(place) for place in arguments.inputs]
    named = arguments.images if job is None else arguments.images or job.base
    images = []
    for place in places:
        root = _root(place) if named is None else at_home(named)
        read = read_export(place, None if named is None else root, arguments.format)
        check_below(read, root)
        images += read
    check_once(images)
    images = with_common_names(without_labels(images))
    if job is not None:
        images = with_classes_of(job, images)
    root = _root(places[0]) if named is None else at_home(named)
    common = Path(os.path.commonpath([root.resolve(), *(i.path.resolve().parent for i in images)]))
    write_json(output, document(images, _numbers(images, job), common))
    _report(images, output, common)
    return 0


def _root(place: Path) -> Path:
    """Return the folder of an export, below which its images are unless another one is named."""
    return place if place.is_dir() else place.parent


def check_below(images: Sequence[AnnotatedImage], root: Path) -> None:
    """Check that images are below a folder: names in files of others may lead anywhere.

    Links that the folder has itself may lead out of it.

    Raises:
        InputError: one of them is not.
    """
    top = os.path.abspath(root)
    outside = [i for i in images if not Path(os.path.abspath(i.path)).is_relative_to(top)]
    if outside:
        raise InputError(
            f"{some_of([str(image.path) for image in outside])}: not below {top}; --images names the folder "
            "of the images"
        )


def check_once(images: Sequence[AnnotatedImage]) -> None:
    """Check that there are no two versions of an image.

    Raises:
        InputError: one is in two files, or twice in one.
    """
    seen: set[Path] = set()
    for image in images:
        path = image.path.resolve()
        if path in seen:
            raise InputError(f"{image.path} is annotated twice; give one file that has it")
        seen.add(path)


def without_labels(images: Sequence[AnnotatedImage]) -> list[AnnotatedImage]:
    """Return images without labels of the whole, which are no boxes."""
    count = sum(bool(image.labels) for image in images)
    if count:
        logger.warning("left out the labels of %d whole images; boxes alone are imported", count)
    return [replace(image, labels=()) for image in images]


def with_classes_of(job: Job, images: Sequence[AnnotatedImage]) -> list[AnnotatedImage]:
    """Return images with the classes of a job, spelt as there.

    Raises:
        InputError: an object is of another class.
    """
    names = [category.name for category in job.categories]
    index = ClassIndex(names)

    def known(name: str, path: Path) -> str:
        return names[index.require(name, f"{path}")]

    return [
        replace(
            image,
            objects=tuple(replace(o, name=known(o.name, image.path)) for o in image.objects),
        )
        for image in images
    ]


def _numbers(images: Sequence[AnnotatedImage], job: Job | None) -> dict[str, int]:
    """Return the ids of the classes by name: the job's, or from 1 in the order of their names."""
    if job is not None:
        return {category.name: category.id for category in job.categories}
    names = sorted({found.name for image in images for found in image.objects})
    return {name: number for number, name in enumerate(names, start=1)}


def _report(images: Sequence[AnnotatedImage], output: Path, root: Path) -> None:
    """Say what was imported, and print the entry of a recipe that trains on it."""
    objects = [found for image in images for found in image.objects]
    num_classes = len({found.name for found in objects})
    logger.info(
        "%d images, %d objects of %d classes; train on them with `detic train --data %s --images %s`, or "
        "name them in DATALOADER.BOX_SOURCES of a recipe:",
        *(len(images), len(objects), num_classes, quote(str(output)), quote(str(root))),
    )
    entry = {"name": output.stem, "format": "coco"}
    entry |= {"annotations": os.path.abspath(output), "images": str(root)}
    sys.stdout.write(yaml.safe_dump([entry], default_flow_style=True, width=10_000))
