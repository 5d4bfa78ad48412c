"""``detic label merge``: the parts of a job as one file, the same bytes however they came to be."""

import logging
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from detic.errors import InputError
from detic.files import refuse_existing, unfinished_text
from detic.labelling.dataset_file import merge_coco, merge_lvis
from detic.labelling.job import open_job
from detic.labelling.labelled_images import LabelledImages
from detic.labelling.parquet_file import merge_parquet
from detic.labelling.webdataset import merge_webdataset
from detic.outputs.json_lines import as_json
from detic.paths import at_home

Merge = Callable[[LabelledImages, Path], None]

logger = logging.getLogger(__name__)


def run_merge(arguments: Namespace) -> int:
    """Write the labels of a job to one file; return the exit status.

    Args:
        arguments: of ``detic label merge``.

    Raises:
        InputError: the job is not complete, or the file exists.
    """
    job = open_job(at_home(arguments.job))
    output = at_home(arguments.output)
    refuse_existing(output, arguments.overwrite)
    done = [index for index, _ in job.summaries()]
    if len(done) < job.num_shards and not arguments.partial:
        raise InputError(
            f"{len(done)} of {job.num_shards} shards are done; `detic label run --job {job.folder}` goes "
            "on, --partial merges what is there"
        )
    MERGES[arguments.format](LabelledImages(job, done), output)
    logger.info("wrote %s", output)
    return 0


def merge_json_lines(images: LabelledImages, path: Path) -> None:
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
}
