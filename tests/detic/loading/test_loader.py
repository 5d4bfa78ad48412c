"""Endless training batches: for any number of workers, after a break, for several ranks."""

import io
import itertools
import multiprocessing
import subprocess

import numpy as np
import pytest
import torch

from detic.errors import InputError
from detic.loading.batching import BatchLayout, PlannerFactory
from detic.loading.image_reader import UnreadableImage
from detic.loading.loader import TrainLoader, merge_loader_states
from detic.loading.sampling import shuffled_draw
from detic.loading.unreadable import UnreadableImages
from detic.loading.workers import WorkerParams

NUM_RECORDS = 9


class DrawingMapper:
    """Makes an image and a random number of each record; some records cannot be read.

    Args:
        unreadable: their indices.
    """

    def __init__(self, unreadable=()):
        self.unreadable = unreadable

    def __call__(self, record):
        if record["id"] in self.unreadable:
            raise UnreadableImage(f"{record['id']}.jpg", "broken")
        image = torch.full((3, 120, 120), record["id"], dtype=torch.uint8)
        return {**record, "image": image, "number": np.random.uniform()}


def build(ranks=(0,), world_size=1, workers=0, method="fork", unreadable=(), batch_size=2, seed=1):
    """Return a loader over nine records in two buckets."""
    buckets = np.array([0, 1] * 5)[:NUM_RECORDS]
    layout = BatchLayout(buckets, (batch_size, batch_size))
    return TrainLoader(
        records=[{"id": i} for i in range(NUM_RECORDS)],
        mapper=DrawingMapper(unreadable),
        planners=PlannerFactory(layout, shuffled_draw(NUM_RECORDS), world_size),
        ranks=ranks,
        seed=seed,
        workers=WorkerParams(workers, method),
        unreadable=UnreadableImages(1.0),
    )


def take(loader, count):
    """Return (id, random number) of the examples of the next batches."""
    batches = itertools.islice(loader, count)
    return [[(example["id"], example["number"]) for example in batch] for batch in batches]


def saved(state):
    """Return a state after a way through a checkpoint file."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize(("workers", "method"), [(1, "fork"), (3, "fork"), (2, "forkserver")])
def test_workers_change_nothing(workers, method):
    assert take(build(workers=workers, method=method), 8) == take(build(), 8)


def test_another_seed_gives_other_batches():
    assert take(build(seed=2), 8) != take(build(), 8)


def test_the_same_image_is_augmented_anew_each_time():
    numbers = [number for batch in take(build(), 20) for _, number in batch]
    assert len(set(numbers)) == 40


def test_loading_does_not_touch_the_generators_of_the_training_process():
    torch.manual_seed(0)
    np.random.seed(0)
    take(build(), 3)
    take(build(workers=1), 3)
    numbers = torch.rand(1), np.random.rand()
    torch.manual_seed(0)
    np.random.seed(0)
    assert numbers == (torch.rand(1), np.random.rand())


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("after", [0, 1, 7])
def test_a_break_changes_nothing(workers, after):
    unbroken = take(build(), after + 5)
    first = build(workers=workers)
    assert take(first, after) == unbroken[:after]
    resumed = build(seed=99)
    resumed.load_state_dict(saved(first.state_dict()))
    assert take(resumed, 5) == unbroken[after:]


def test_iterating_again_goes_on_behind_the_last_batch():
    loader = build(workers=2)
    assert take(loader, 3) + take(loader, 3) == take(build(), 6)


def test_the_state_is_small():
    loader = build(ranks=range(4), world_size=4)
    take(loader, 9)
    file = io.BytesIO()
    torch.save(loader.state_dict(), file)
    assert file.tell() < 50_000


def test_one_process_plays_the_ranks_of_several():
    ranks = [take(build(ranks=[rank], world_size=4), 5) for rank in range(4)]
    pairs = [take(build(ranks=[r, r + 1], world_size=4, workers=r), 10) for r in (0, 2)]
    one = take(build(ranks=range(4), world_size=4), 20)
    assert one == [batch for step in zip(*ranks, strict=True) for batch in step]
    assert pairs[0] == [batch for step in zip(*ranks[:2], strict=True) for batch in step]
    assert pairs[1] == [batch for step in zip(*ranks[2:], strict=True) for batch in step]


@pytest.mark.parametrize("after", [4, 5])
def test_a_break_between_the_ranks_changes_nothing(after):
    unbroken = take(build(ranks=range(2), world_size=2), after + 6)
    first = build(ranks=range(2), world_size=2)
    take(first, after)
    resumed = build(ranks=range(2), world_size=2)
    resumed.load_state_dict(saved(first.state_dict()))
    assert take(resumed, 6) == unbroken[after:]


def test_other_processes_can_go_on_with_the_same_ranks():
    unbroken = take(build(ranks=range(2), world_size=2), 12)
    processes = [build(ranks=[rank], world_size=2) for rank in range(2)]
    for process in processes:
        take(process, 3)
    state = merge_loader_states([process.state_dict() for process in processes])
    resumed = build(ranks=range(2), world_size=2)
    resumed.load_state_dict(saved(state))
    assert take(resumed, 6) == unbroken[6:]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_makes_its_batch_smaller(workers):
    expected = [[e for e in batch if e[0] != 4] for batch in take(build(), 8)]
    loader = build(workers=workers, unreadable=[4])
    assert take(loader, 8) == expected
    assert loader.unreadable.reasons == {"4.jpg": "broken"}
    assert loader.unreadable.num_seen == 16
    assert any(len(batch) == 1 for batch in expected)


def test_a_batch_without_readable_images_gives_way_to_the_rank_s_next():
    even = [0, 2, 4, 6, 8]  # the whole first bucket
    ranks = [
        [batch for batch in take(build(ranks=[rank], world_size=2), 24) if batch[0][0] % 2]
        for rank in range(2)
    ]
    together = take(build(ranks=range(2), world_size=2, unreadable=even), 12)
    assert together[::2] == ranks[0][:6]
    assert together[1::2] == ranks[1][:6]


def test_a_break_after_unreadable_batches_changes_nothing():
    settings = {"ranks": range(2), "world_size": 2, "unreadable": [0, 2, 4, 6, 8]}
    unbroken = take(build(**settings), 11)
    first = build(**settings)
    take(first, 5)
    resumed = build(**settings)
    resumed.load_state_dict(saved(first.state_dict()))
    assert take(resumed, 6) == unbroken[5:]


def test_every_rank_has_a_batch_at_every_step():
    # Whatever waits in the other bucket, a batch takes at most as many images as fit into both.
    loader = build(batch_size=50)
    assert [len(batch) for batch in take(loader, 3)] == [50] * 3


def test_positions_in_other_data_are_refused():
    state = build().state_dict()
    with pytest.raises(InputError, match="has num_records 5, this training 9"):
        build().load_state_dict(state | {"num_records": 5})
    with pytest.raises(InputError, match="has world_size 1, this training 2"):
        build(ranks=[1], world_size=2).load_state_dict(state)
    state = build(ranks=[0], world_size=2).state_dict()
    with pytest.raises(InputError, match=r"data position of ranks \[0\], not of \[1\]"):
        build(ranks=[1], world_size=2).load_state_dict(state)


def test_workers_survive_the_signal_that_asks_a_job_to_stop():
    batches = iter(build(workers=2))
    for _ in range(2):  # one of each worker, so both are ready
        next(batches)
    workers = [str(worker.pid) for worker in multiprocessing.active_children()]
    subprocess.run(["kill", "-TERM", *workers], check=True)
    assert len(list(itertools.islice(batches, 10))) == 10
    batches.close()
    assert multiprocessing.active_children() == []


def abandon_a_loader():
    batches = iter(build(workers=2))
    next(batches)
    globals()["still used"] = batches


def test_a_process_ends_with_its_loader_open():
    process = multiprocessing.get_context("fork").Process(target=abandon_a_loader)
    process.start()
    process.join(30)
    assert process.exitcode == 0


def test_an_unknown_start_method_gives_the_choices():
    with pytest.raises(InputError, match="START_METHOD: unknown start method 'thread'; choose"):
        take(build(workers=1, method="thread"), 1)
