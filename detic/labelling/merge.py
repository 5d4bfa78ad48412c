"""``detic label merge``: the parts of a job as one file, the same bytes however they came to be."""

import logging
import os
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

from detic.errors import InputError, some_of
from detic.files import refuse_existing, unfinished_text
from detic.labelling.dataset_file import merge_coco, merge_lvis
from detic.labelling.job import Job, open_job
from detic.labelling.labelled_images import Images, LabelledImages
from detic.labelling.parquet_file import merge_parquet
from detic.labelling.webdataset import merge_webdataset
from detic.labelling.worker import go_to_base
from detic.outputs.json_lines import as_json
from detic.paths import at_home
from detic.review.coco_folders import write_cvat, write_fiftyone
from detic.review.contact_sheet import write_contact_sheet
from detic.review.image_names import ImagePlaces
from detic.review.label_studio import write_label_studio
from detic.review.uncertainty import most_uncertain

Merge = Callable[[Images, Path], None]

FOLDERS = ("webdataset", "label-studio", "cvat", "fiftyone")  # formats that are one

logger = logging.getLogger(__name__)


def run_merge(arguments: Namespace) -> int:
    """Write the labels of a job to one file or folder; return the exit status.

    Args:
        arguments: of ``detic label merge``.

    Raises:
        InputError: the job is not complete, or the file exists.
    """
    job = open_job(at_home(arguments.job))
    output = Path(os.path.abspath(at_home(arguments.output)))
    if arguments.format in FOLDERS and output.is_dir() and any(output.iterdir()):
        raise InputError(f"{output} holds files, which are kept; name a new folder")
    refuse_existing(output, arguments.overwrite)
    job.remove_leftovers()
    done = [index for index, _ in job.summaries()]
    if len(done) < job.num_shards and not arguments.partial:
        raise InputError(
            f"{len(done)} of {job.num_shards} shards are done; `detic label run --job {job.folder}` goes "
            "on, --partial merges what is there"
        )
    if len(done) < job.num_shards and job.num_images is None:
        logger.warning(
            "image ids can change when the job goes on: tar files that are not done were not counted"
        )
    write = _writer(arguments, job)
    images = LabelledImages(job, done, has_masks=not arguments.boxes_only)
    write(images if arguments.review is None else most_uncertain(images, arguments.review), output)
    logger.info("wrote %s", output)
    return 0


def _writer(arguments: Namespace, job: Job) -> Merge:
    """Return what writes a format, as the arguments ask for; those that read images can do so then.

    Raises:
        InputError: an argument is of another format, or the images' folder cannot be entered.
    """
    name = arguments.format
    flags = {
        "--copy-images": (arguments.copy_images, REVIEWS),
        "--image-root": (arguments.image_root is not None, REVIEWS),
        "--per-class": (arguments.per_class is not None, ("html",)),
    }
    for flag, (is_given, formats) in flags.items():
        if is_given and name not in formats:
            raise InputError(f"{flag} does not go with {name}, but with {some_of(list(formats))}")
    root = arguments.image_root
    root = None if root is None else Path(os.path.abspath(at_home(root)))
    if name in ("webdataset", "html") or arguments.copy_images:
        go_to_base(job)
    if name in REVIEWS:
        return partial(REVIEWS[name], places=ImagePlaces(root, arguments.copy_images))
    if name == "html":
        return partial(write_contact_sheet, per_class=arguments.per_class)
    return MERGES[name]


def merge_json_lines(images: Images, path: Path) -> None:
    """Write a line an image, as ``detic detect --format jsonl`` does."""
    with unfinished_text(path) as file:
        for image in images:
            file.write(as_json(image) + "\n")


MERGES: dict[str, Merge] = {
    "jsonl": merge_json_lines,
    "coco": merge_coco,
    "lvis": merge_lvis,
    "parquet": merge_parquet,
    "webdataset": merge_webdataset,
    "html": write_contact_sheet,
}
REVIEWS: dict[str, Callable[..., None]] = {  # which take ``places`` as well
    "label-studio": write_label_studio,
    "cvat": write_cvat,
    "fiftyone": write_fiftyone,
}
