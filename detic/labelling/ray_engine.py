"""Ray's actors as workers: on this machine, or on a cluster whose machines share the job's folder.

Ray only hands out shards. The model is built in the actor; progress is in the parts of the job.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detic.errors import InputError
from detic.extensions import VARIABLE as IMPORTS
from detic.labelling.engine import EngineOptions
from detic.labelling.shard_queue import ShardQueue
from detic.labelling.worker import Report, ShardWorker

_HANDED_ON = (IMPORTS, "PYTHONPATH", "DETIC_MODELS", "DETECTRON2_DATASETS")  # of the environment


class RayEngine:
    """Hands out shards to actors; arguments as of ``LocalEngine``."""

    def __init__(self, folder: Path, options: EngineOptions, report: Report):
        self._folder = folder
        self._options = options
        self._report = report

    def run(self, shards: Sequence[int]) -> list[int]:
        """Have shards labelled; return those that killed every worker that tried.

        Raises:
            InputError: ray is not installed, there is no cluster, or a worker met a mistake.
        """
        ray = _ray()
        _join(ray, self._options)
        try:
            return self._run(ray, shards)
        finally:
            ray.shutdown()

    def _run(self, ray: Any, shards: Sequence[int]) -> list[int]:
        queue = ShardQueue(shards)
        number = min(self._options.workers, len(shards))
        at_work = dict(self._given(self._actor(ray), queue) for _ in range(number))
        while at_work:
            (task,), _ = ray.wait(list(at_work), num_returns=1)
            actor, shard = at_work.pop(task)
            try:
                self._report(ray.get(task))
            except ray.exceptions.RayActorError:
                queue.put_back(shard)
                actor = self._actor(ray) if queue else None
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, InputError):
                    raise error.cause from error
                queue.put_back(shard)
            if queue:
                at_work |= [self._given(actor, queue)]
        return queue.given_up

    def _actor(self, ray: Any) -> Any:
        return ray.remote(num_cpus=1, num_gpus=int(self._options.needs_gpu))(_Actor).remote(
            self._folder
        )

    def _given(self, actor: Any, queue: ShardQueue) -> tuple[Any, tuple[Any, int | None]]:
        shard = queue.take()
        return actor.label.remote(shard), (actor, shard)


class _Actor:
    """A worker that is built when its first shard comes, so that its mistakes are those of a task."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._worker: ShardWorker | None = None

    def label(self, index: int) -> int:
        """Label a shard; return the number of images that it had."""
        from detic.extensions import import_extensions

        if self._worker is None:
            import_extensions()
            self._worker = ShardWorker(self._folder)
        summary = self._worker.label(index)
        return 0 if summary is None else summary.images


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
    try:
        import ray
    except ImportError as error:
        raise InputError(
            "--engine ray needs the package ray; install it with `pip install ray`"
        ) from error
    return ray


def _join(ray: Any, options: EngineOptions) -> None:
    """Join a cluster, or start one on this machine."""
    variables = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    common: dict[str, Any] = {
        "runtime_env": {"env_vars": variables},
        "log_to_driver": False,
        "logging_level": "ERROR",
    }
    try:
        if options.address is None:
            ray.init("local", num_cpus=options.workers, include_dashboard=False, **common)
        else:
            ray.init(options.address, **common)
    except Exception as error:  # Ray raises bare ones, too
        raise InputError(f"Ray cannot be reached or started: {error}") from error
