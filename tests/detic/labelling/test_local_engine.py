"""Workers and their parent are killed: a shard each is done again, and no byte differs."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from detic.errors import InputError
from detic.labelling.engine import EngineOptions
from detic.labelling.local_engine import LocalEngine
from detic.labelling.shard_queue import MAX_ATTEMPTS, ShardQueue
from detic.labelling.worker import ShardWorker
from tests.detic.labelling.conftest import label


def parts_of(job):
    return [job.part_path(index).read_bytes() for index in range(job.num_shards)]


@pytest.fixture
def long_list(tmp_path):
    (tmp_path / "long.txt").write_text("".join(f"image-{i}.jpg\n" for i in range(400)))


@pytest.fixture
def forking(monkeypatch):
    """Workers are forked from this process, which has imported all; as elsewhere, that takes seconds."""
    contexts = multiprocessing.get_context
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: contexts("fork"))


def test_a_killed_worker_loses_one_shard(plan, long_list, tmp_path, forking):
    undisturbed = plan("long.txt", folder="undisturbed", size=40)
    label(undisturbed)
    job = plan("long.txt", size=40)
    (tmp_path / "slow").write_text("0.002")
    reports = []

    def report(count):
        reports.append(count)
        if len(reports) in (3, 6):
            victim = multiprocessing.active_children()[0]
            os.kill(victim.pid, signal.SIGKILL)

    assert LocalEngine(job.folder, EngineOptions(workers=2), report).run(job.missing()) == {}
    assert parts_of(job) == parts_of(undisturbed)
    assert sum(reports) <= 400 + 2 * 40
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_workers_end_with_their_parent(plan, long_list, tmp_path):
    job = plan("long.txt", size=40)
    (tmp_path / "slow").write_text("0.01")
    command = [sys.executable, "-m", "detic", "label", "run", "--job", "job", "--workers", "2"]
    with subprocess.Popen(command) as parent:
        while len(job.missing()) == job.num_shards:
            assert parent.poll() is None
            time.sleep(0.01)
        parent.kill()
    while any(map(job.is_locked, range(job.num_shards))):  # the workers notice it
        time.sleep(0.01)
    missing = job.missing()
    assert missing
    time.sleep(0.5)  # in which they would have done one more
    assert job.missing() == missing
    (tmp_path / "slow").unlink()
    label(job)
    undisturbed = plan("long.txt", folder="undisturbed", size=40)
    label(undisturbed)
    assert parts_of(job) == parts_of(undisturbed)
    assert {path.name[0] for path in (job.folder / "parts").iterdir()} == {"p"}  # no leftovers


def test_mistakes_of_workers_end_the_run(plan, names, forking, monkeypatch):
    job = plan("names.txt")
    monkeypatch.setattr("tests.quick_labeller.QuickLabeller.class_names", ("bowl",))
    with pytest.raises(InputError, match=r"with other vocabulary"):
        LocalEngine(job.folder, EngineOptions(), lambda count: None).run(job.missing())


def test_shards_that_cannot_be_read_are_given_up_and_the_others_done(
    plan, names, tmp_path, forking
):
    (tmp_path / "more.txt").write_text("a.jpg")
    job = plan("more.txt", "names.txt")
    (tmp_path / "more.txt").unlink()
    engine = LocalEngine(job.folder, EngineOptions(), lambda count: None)
    assert "more.txt has changed since the job was planned" in engine.run(job.missing())[0]
    assert job.missing() == [0]


@pytest.fixture
def failing(monkeypatch, forking):
    """Workers on the device "bad" end before they begin."""

    def build(folder, device, retry_failed):
        return os._exit(7) if device == "bad" else ShardWorker(folder, None, retry_failed)

    monkeypatch.setattr("detic.labelling.local_engine.ShardWorker", build)


def test_workers_go_on_without_those_that_cannot_begin(plan, long_list, tmp_path, failing, caplog):
    job = plan("long.txt", size=200)
    (tmp_path / "slow").write_text("0.002")
    engine = LocalEngine(job.folder, EngineOptions(2, ["cpu", "bad"]), lambda count: None)
    assert engine.run(job.missing()) == {}
    assert job.missing() == []


def test_a_run_ends_if_no_worker_can_begin(plan, names, failing):
    job = plan("names.txt")
    engine = LocalEngine(job.folder, EngineOptions(2, ["bad"]), lambda count: None)
    with pytest.raises(InputError, match=r"no worker can begin: it ended with exit status 7"):
        engine.run(job.missing())


def test_failures_are_tried_once_more(plan, names, forking):
    job = plan("names.txt")
    label(job)
    for index in range(job.num_shards):
        os.utime(job.part_path(index), (0, 0))
    engine = LocalEngine(job.folder, EngineOptions(retry_failed=True), lambda count: None)
    assert engine.run(job.missing(retry_failed=True)) == {}
    assert [job.part_path(i).stat().st_mtime == 0 for i in range(3)] == [False, True, False]


def test_a_shard_that_kills_its_workers_is_given_up():
    queue = ShardQueue([5])
    for _ in range(MAX_ATTEMPTS):
        assert queue.take() == 5
        queue.put_back(5, "it kills")
    assert not queue
    assert queue.given_up == {5: "it kills"}
