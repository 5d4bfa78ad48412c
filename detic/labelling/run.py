"""``detic label run`` from its arguments to its exit status."""

import logging
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from detic.errors import some_of
from detic.extensions import import_extensions, request_imports
from detic.labelling.engine import Engine, EngineOptions
from detic.labelling.inputs import InputOptions
from detic.labelling.job import Job, open_job, plan_job
from detic.labelling.labellers import Description, describe_detector, describe_factory
from detic.labelling.local_engine import LocalEngine
from detic.labelling.ray_engine import RayEngine
from detic.labelling.status import failed_images, read_status
from detic.labelling.worker import Report
from detic.paths import at_home
from detic.progress import counter

INCOMPLETE = 3  # exit status: shards are not done, or, with --strict, images failed

ENGINES: dict[str, Callable[[Path, EngineOptions, Report], Engine]] = {
    "local": LocalEngine,
    "ray": RayEngine,
}

logger = logging.getLogger(__name__)


def run_label(arguments: Namespace) -> int:
    """Plan a job or go on with it; return the exit status.

    Args:
        arguments: of ``detic label run``.

    Raises:
        InputError: they contradict each other or the job that is there.
    """
    folder = Path(os.path.abspath(at_home(arguments.job)))
    job = _planned(folder, arguments)
    if arguments.plan_only:
        logger.info("%s", read_status(job))
        return 0
    if arguments.retry_failed:
        _forget_failures(job, share_of(range(job.num_shards), arguments.shard))
    shards = share_of(job.missing(), arguments.shard)
    if shards:
        _label(job, shards, arguments)
    return _end(job, arguments)


def share_of(shards: Sequence[int], share: tuple[int, int] | None) -> list[int]:
    """Return the shards that one of several runs is to label.

    >>> share_of([0, 1, 2, 3, 4], (0, 2))
    [0, 2, 4]
    """
    if share is None:
        return list(shards)
    place, number = share
    return [shard for shard in shards if shard % number == place]


def _planned(folder: Path, arguments: Namespace) -> Job:
    """Return the job of a folder; one with inputs is planned unless it is there."""
    if not arguments.inputs:
        return open_job(folder)
    labeller = _described(arguments)
    return plan_job(
        folder,
        arguments.inputs,
        InputOptions(arguments.shard_size, arguments.image_column),
        settings=labeller.settings,
        labeller=labeller.values,
        categories=labeller.categories,
    )


def _described(arguments: Namespace) -> Description:
    request_imports(arguments.imports)
    import_extensions()
    if arguments.labeller is not None:
        return describe_factory(arguments.labeller)
    return describe_detector(arguments)


def _forget_failures(job: Job, shards: Sequence[int]) -> None:
    """Have those of some shards that have images that failed labelled once more."""
    for index, summary in list(job.summaries()):
        if summary.failures and index in shards:
            job.part_path(index).unlink(missing_ok=True)


def _label(job: Job, shards: Sequence[int], arguments: Namespace) -> None:
    options = _engine_options(job, arguments)
    known = [job.shards[shard].num_images for shard in shards]
    total = None if None in known else sum(number or 0 for number in known)
    with counter("labelled", unit="image", total=total) as progress:
        engine = ENGINES[arguments.engine](job.folder, options, progress.update)
        given_up = engine.run(shards)
    if given_up:
        names = some_of([str(shard) for shard in given_up])
        logger.warning("gave up shards that ended every worker: %s", names)


def _engine_options(job: Job, arguments: Namespace) -> EngineOptions:
    """Return how many workers there are: one a GPU, or one, unless the user says."""
    device = "cpu" if job.labeller.get("cpu") else job.labeller.get("device") or ""
    num_gpus = 0 if device == "cpu" else torch.cuda.device_count()
    workers = arguments.workers or max(1, num_gpus)
    is_chosen = num_gpus > 0 or "OMP_NUM_THREADS" in os.environ
    return EngineOptions(
        workers=workers,
        devices=[f"cuda:{number}" for number in range(num_gpus)],
        needs_gpu=num_gpus > 0 or device.startswith("cuda"),
        threads=None if is_chosen else max(1, (os.cpu_count() or 1) // workers),
        address=arguments.ray_address,
    )


def _end(job: Job, arguments: Namespace) -> int:
    """Check the plan, say what the run came to, and return the exit status."""
    status = read_status(job)
    for name, reason in failed_images(job, limit=10):
        logger.warning("failed: %s: %s", name, reason)
    if status.failures:
        logger.warning(
            "`detic label status %s --failures` lists all %d", job.folder, status.failures
        )
    sys.stdout.write(f"{status}\n")
    if share_of(job.missing(), arguments.shard):
        logger.warning("the job is not complete; the same command goes on with it")
        return INCOMPLETE
    return INCOMPLETE if arguments.strict and status.failures else 0
