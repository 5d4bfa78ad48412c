"""Processes of this machine as workers.

Each has a pipe of its own: what one that is killed leaves behind concerns nobody else. They end with
the process that started them, however that ends.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from detic.errors import InputError
from detic.extensions import import_extensions
from detic.labelling.engine import Engine, EngineOptions
from detic.labelling.shard_queue import MAX_ATTEMPTS, ShardQueue
from detic.labelling.shards import UnreadableShard
from detic.labelling.worker import ShardWorker


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    place: int  # among the workers
    shard: int | None = None  # it is at work on
    is_ready: bool = False


class LocalEngine(Engine):
    """Hands out shards to processes of this machine."""

    def run(self, shards: Sequence[int]) -> dict[int, str]:
        queue = ShardQueue(shards)
        number = min(self._options.workers, len(shards))
        workers = [self._start(place) for place in range(number)]
        try:
            while workers:
                ready = wait([worker.connection for worker in workers])
                for worker in [w for w in workers if w.connection in ready]:
                    self._hear(worker, workers, queue)
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.join()
        return queue.given_up

    def _start(self, place: int) -> _Worker:
        context = multiprocessing.get_context("forkserver")  # imports once for all workers
        context.set_forkserver_preload(["detic.labelling.worker"])
        ours, theirs = context.Pipe()
        arguments = (theirs, self._folder, self._options, place)
        process = context.Process(target=_work, args=arguments, daemon=True)
        process.start()
        theirs.close()  # or its end would not be noticed
        return _Worker(process, ours, place)

    def _hear(self, worker: _Worker, workers: list[_Worker], queue: ShardQueue) -> None:
        """Do what a worker's message asks for; its end is one."""
        try:
            kind, value = worker.connection.recv()
        except (EOFError, OSError):
            self._replace(worker, workers, queue)
            return
        if kind == "images":
            self._report(value)
        elif kind == "mistake":
            raise InputError(value)
        else:
            if kind == "unreadable" and worker.shard is not None:
                queue.put_back(worker.shard, value)
            self._hand_out(worker, workers, queue)

    def _hand_out(self, worker: _Worker, workers: list[_Worker], queue: ShardQueue) -> None:
        """Give the next shard to a worker; without one, it ends."""
        self._failed_starts.clear()
        worker.is_ready = True
        worker.shard = queue.take()
        try:
            worker.connection.send(worker.shard)
        except OSError:  # its end is noticed next
            return
        if worker.shard is None:
            workers.remove(worker)
            worker.process.join()

    def _replace(self, worker: _Worker, workers: list[_Worker], queue: ShardQueue) -> None:
        """Queue the shard of a worker that has ended, and start another one."""
        workers.remove(worker)
        worker.process.join()
        status = worker.process.exitcode
        if worker.shard is not None:
            queue.put_back(
                worker.shard,
                f"{MAX_ATTEMPTS} workers ended on it, the last with exit status {status}",
            )
        elif not worker.is_ready:
            self._failed_starts.append(
                f"it ended with exit status {status}; if that is -9, memory does not suffice: name "
                "fewer --workers"
            )
        if queue and (worker.is_ready or self._may_start_again()):
            workers.append(self._start(worker.place))
        elif queue:
            self._go_on_with(len(workers))


def _work(connection: Connection, folder: Path, options: EngineOptions, place: int) -> None:
    """Label the shards that come through a pipe."""
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    devices = options.devices
    device = devices[place % len(devices)] if devices else None
    try:
        import_extensions()
        worker = ShardWorker(folder, device, options.retry_failed)
        connection.send(("ready", None))
        while (index := connection.recv()) is not None:
            connection.send(_labelled(worker, index, connection))
    except InputError as error:
        connection.send(("mistake", str(error)))
    except (EOFError, ConnectionError):
        pass  # the parent is no more


def _labelled(worker: ShardWorker, index: int, connection: Connection) -> tuple[str, str | None]:
    """Label a shard; return what the parent is to know of it."""
    try:
        worker.label(index, lambda count: connection.send(("images", count)))
    except UnreadableShard as error:
        return "unreadable", str(error)
    return "done", None


def _end_with_parent() -> None:
    """End this process, whatever it does, when its parent ends."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
