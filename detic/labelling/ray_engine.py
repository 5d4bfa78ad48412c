"""Ray's actors as workers: on this machine, or on a cluster whose machines share the job's folder.

Ray only hands out shards. The model is built in the actor; progress is in the parts of the job.
"""

import os
from collections.abc import Sequence
from typing import Any

from detic.errors import InputError, in_short
from detic.extensions import VARIABLE as IMPORTS
from detic.labelling.engine import Engine, EngineOptions
from detic.labelling.shard_queue import ShardQueue
from detic.labelling.shards import UnreadableShard
from detic.labelling.worker import ShardWorker

_HANDED_ON = (IMPORTS, "PYTHONPATH", "DETIC_MODELS", "DETECTRON2_DATASETS")  # of the environment
_START_S = 600.0  # within which the first worker begins: a cluster may have to start machines

# What actors do: by the reference of a task, its actor and shard; None while the actor begins
Tasks = dict[Any, tuple[Any, int | None]]


class RayEngine(Engine):
    """Hands out shards to actors.

    Actors that Ray has no room for wait without a shard, so nothing waits for them.
    """

    def run(self, shards: Sequence[int]) -> dict[int, str]:
        ray = _ray()
        _join(ray, self._options)
        try:
            return self._run(ray, shards)
        finally:
            ray.shutdown()

    def _run(self, ray: Any, shards: Sequence[int]) -> dict[int, str]:
        queue = ShardQueue(shards)
        number = min(self._options.workers, len(shards))
        tasks: Tasks = dict(self._started(ray) for _ in range(number))
        while queue or any(shard is not None for _, shard in tasks.values()):
            task = self._next_of(ray, tasks)
            actor, shard = tasks.pop(task)
            can_go_on = self._hear(ray, task, shard, queue)
            if queue and can_go_on:
                tasks |= [_given(actor, queue.take())]
            elif queue and (shard is not None or self._may_start_again()):
                tasks |= [self._started(ray)]
            elif queue:
                self._go_on_with(len(tasks))
        return queue.given_up

    def _started(self, ray: Any) -> tuple[Any, tuple[Any, None]]:
        remote = ray.remote(num_cpus=1, num_gpus=int(self._options.needs_gpu))(_Actor)
        # An actor sees its own GPU alone.
        device = "cuda" if self._options.needs_gpu else next(iter(self._options.devices), None)
        actor = remote.remote(self._folder, device, self._options.retry_failed)
        return actor.begin.remote(), (actor, None)

    def _next_of(self, ray: Any, tasks: Tasks) -> Any:
        """Return the task that ends next."""
        is_at_work = any(shard is not None for _, shard in tasks.values())
        ended, _ = ray.wait(list(tasks), num_returns=1, timeout=None if is_at_work else _START_S)
        if not ended:
            needed = "a CPU and a GPU" if self._options.needs_gpu else "a CPU"
            raise InputError(
                f"no worker of Ray began within {_START_S:g} s; each needs {needed}, and free are "
                f"{ray.available_resources()}"
            )
        return ended[0]

    def _hear(self, ray: Any, task: Any, shard: int | None, queue: ShardQueue) -> bool:
        """Take note of how a task ended; return whether its actor can have another one."""
        try:
            self._report(ray.get(task))
        except ray.exceptions.RayTaskError as error:
            is_mistake = isinstance(error.cause, InputError)
            if is_mistake and not isinstance(error.cause, UnreadableShard):
                raise error.cause from error
            self._note(error.cause, shard, queue)
            return shard is not None
        except ray.exceptions.RayError as error:  # the actor is no more
            self._note(error, shard, queue)
            return False
        self._failed_starts.clear()
        return True

    def _note(self, error: Exception, shard: int | None, queue: ShardQueue) -> None:
        """Queue the shard of a task that failed; count an actor that could not begin."""
        reason = str(error) if isinstance(error, InputError) else in_short(repr(error))
        if shard is not None:
            queue.put_back(shard, reason)
        else:
            self._failed_starts.append(reason)


def _given(actor: Any, shard: int | None) -> tuple[Any, tuple[Any, int | None]]:
    return actor.label.remote(shard), (actor, shard)


class _Actor:
    """A worker that is built by its first task, so that its mistakes are those of a task."""

    def __init__(self, *arguments: Any):
        self._arguments = arguments  # of ``ShardWorker``

    def begin(self) -> int:
        """Build the worker; return the number of images that were labelled meanwhile."""
        from detic.extensions import import_extensions

        import_extensions()
        self._worker = ShardWorker(*self._arguments)
        return 0

    def label(self, index: int) -> int:
        """Label a shard; return the number of images that it had."""
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
