"""``detic label run`` from its arguments to its exit status."""

import logging
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import torch

from detic.demo.arguments import named_device
from detic.extensions import import_extensions, request_imports
from detic.labelling.engine import Engine, EngineOptions
from detic.labelling.inputs import InputOptions
from detic.labelling.job import Job, LabellerDescription, open_job, plan_job
from detic.labelling.labellers import describe_detector, describe_factory
from detic.labelling.local_engine import LocalEngine
from detic.labelling.ray_engine import RayEngine
from detic.labelling.status import failed_images, read_status
from detic.labelling.worker import Report
from detic.paths import at_home
from detic.progress import counter

INCOMPLETE = 3  # exit status: shards are not done, or, with --strict, images failed
_MAX_NAMED = 10  # images that failed, or shards that were given up

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
    shards = share_of(job.missing(arguments.retry_failed), arguments.shard)
    try:
        if shards:
            _label(job, shards, arguments)
    finally:
        job.remove_leftovers()
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
    options = InputOptions(arguments.shard_size, arguments.image_column)
    return plan_job(folder, arguments.inputs, options, _described(arguments))


def _described(arguments: Namespace) -> LabellerDescription:
    request_imports(arguments.imports)
    import_extensions()
    if arguments.labeller is not None:
        return describe_factory(arguments.labeller)
    return describe_detector(arguments)


def _label(job: Job, shards: Sequence[int], arguments: Namespace) -> None:
    options = engine_options(job, arguments)
    known = [job.shards[shard].num_images for shard in shards]
    total = None if None in known else sum(number or 0 for number in known)
    with counter("labelled", unit="image", total=total) as progress:
        engine = ENGINES[arguments.engine](job.folder, options, progress.update)
        given_up = engine.run(shards)
    for shard, reason in islice(given_up.items(), _MAX_NAMED):
        logger.warning("gave up shard %d (%s): %s", shard, job.shards[shard].path, reason)
    if len(given_up) > _MAX_NAMED:
        logger.warning("gave up %d shards in all", len(given_up))


def engine_options(job: Job, arguments: Namespace) -> EngineOptions:
    """Return how many workers there are: one a GPU, or one, unless the user says."""
    planned = {"cpu": False, "device": None} | job.labeller
    device = named_device(arguments) or named_device(Namespace(**planned))
    devices = [device] if device else []
    if device in (None, "cuda"):
        devices = [f"cuda:{number}" for number in range(torch.cuda.device_count())] or devices
    workers = arguments.workers or max(1, len(devices))
    needs_gpu = any(name.startswith("cuda") for name in devices)
    is_chosen = needs_gpu or "OMP_NUM_THREADS" in os.environ
    return EngineOptions(
        workers=workers,
        devices=devices,
        needs_gpu=needs_gpu,
        threads=None if is_chosen else max(1, (os.cpu_count() or 1) // workers),
        address=arguments.ray_address,
        retry_failed=arguments.retry_failed,
    )


def _end(job: Job, arguments: Namespace) -> int:
    """Check the plan, say what the run came to, and return the exit status."""
    status = read_status(job)
    for name, reason in failed_images(job, limit=_MAX_NAMED):
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
