import threading
from concurrent.futures import CancelledError

import pytest

from detic.serving.batcher import Batcher


class Held:
    """A detector that waits for a sign, so that items gather behind the first one."""

    def __init__(self, fail_on=()):
        self.batches, self.fail_on = [], fail_on
        self.started, self.may_go = threading.Event(), threading.Event()

    def __call__(self, items, key):
        self.started.set()
        self.may_go.wait(10)
        self.batches.append((key, list(items)))
        if set(items) & set(self.fail_on):
            raise ValueError("damaged")
        return [item * 10 for item in items]


def gathered(detect, jobs, **options):
    """The futures of jobs, (item, key), that came while the first was computed."""
    batcher = Batcher(detect, wait_s=0, **options)
    first = batcher.submit(*jobs[0])
    assert detect.started.wait(10)
    return batcher, [first, *(batcher.submit(*job) for job in jobs[1:])]


def test_batches_hold_one_key_and_the_oldest_goes_first():
    detect = Held()
    jobs = [(0, "a"), (1, "b"), (2, "a"), (3, "b"), (4, "a")]
    batcher, futures = gathered(detect, jobs)
    detect.may_go.set()
    batcher.close()
    assert [future.result(0) for future in futures] == [0, 10, 20, 30, 40]
    assert detect.batches == [("a", [0]), ("b", [1, 3]), ("a", [2, 4])]


def test_batches_are_no_larger_than_asked_for():
    detect = Held()
    batcher, _ = gathered(detect, [(n, "a") for n in range(6)], max_batch=2)
    detect.may_go.set()
    batcher.close()
    assert [items for _, items in detect.batches] == [[0], [1, 2], [3, 4], [5]]


def test_batches_cost_no_more_than_they_may():
    detect = Held()
    jobs = [(0, "a"), (2, "a"), (3, "a"), (9, "a"), (1, "a")]
    batcher, _ = gathered(detect, jobs, max_cost=5, cost_of=lambda item, key: item)
    detect.may_go.set()
    batcher.close()
    assert [items for _, items in detect.batches] == [[0], [2, 3], [9], [1]]


def test_a_failing_note_of_times_harms_no_item():
    def fail(times):
        raise ValueError("no room")

    batcher = Batcher(lambda items, key: items, wait_s=0, on_batch=fail)
    assert [batcher.submit(n, "a").result(10) for n in range(2)] == [0, 1]
    batcher.close()


def test_a_failing_item_harms_no_other():
    detect = Held(fail_on=[2])
    batcher, futures = gathered(detect, [(n, "a") for n in range(4)])
    detect.may_go.set()
    batcher.close()
    assert [futures[n].result(0) for n in (0, 1, 3)] == [0, 10, 30]
    with pytest.raises(ValueError, match="damaged"):
        futures[2].result(0)


def test_cancelled_items_are_not_computed():
    detect = Held()
    batcher, futures = gathered(detect, [(n, "a") for n in range(3)])
    assert futures[1].cancel()
    detect.may_go.set()
    batcher.close()
    assert [items for _, items in detect.batches] == [[0], [2]]
    with pytest.raises(CancelledError):
        futures[1].result(0)


def test_a_closed_batcher_takes_nothing():
    batcher = Batcher(lambda items, key: items)
    batcher.close()
    assert not batcher.is_alive
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit(1, "a")


def test_it_waits_for_further_items():
    batcher = Batcher(lambda items, key: [len(items)] * len(items), max_batch=2, wait_s=10)
    futures = [batcher.submit(n, "a") for n in range(2)]
    assert [future.result(5) for future in futures] == [2, 2]
    batcher.close()


def test_cancelled_items_leave_the_queue():
    detect = Held()
    batcher, futures = gathered(detect, [(n, "a") for n in range(4)])
    for future in futures[1:]:
        assert future.cancel()
    last = batcher.submit(9, "a")
    assert len(batcher) == 1
    detect.may_go.set()
    batcher.close()
    assert last.result(0) == 90
    assert detect.batches == [("a", [0]), ("a", [9])]


def test_a_missing_result_fails_its_item_alone():
    batcher = Batcher(lambda items, key: [] if items == [1] else items[:1], wait_s=0)
    with pytest.raises(ValueError, match="zip"):
        batcher.submit(1, "a").result(10)
    assert batcher.submit(2, "a").result(10) == 2
    batcher.close()
