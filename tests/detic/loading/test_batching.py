"""Batches of one dataset and one orientation."""

import itertools

import numpy as np
import pytest

from detic.loading.batching import (
    BatchLayout,
    Buckets,
    PlannerFactory,
    source_and_shape_buckets,
)
from detic.loading.sampling import shuffled_draw


@pytest.fixture
def factory():
    """Planners over 11 images in three buckets with batches of 1, 2 and 3."""
    layout = BatchLayout(np.array([0, 1, 1, 2, 2, 2, 2, 1, 0, 2, 2]), (1, 2, 3))
    return PlannerFactory(layout, shuffled_draw(11), world_size=2)


def plan(planner, count):
    return [planner.next_batch().elements for _ in range(count)]


def test_a_bucket_is_emitted_when_it_is_full():
    items = [(0, "a"), (1, "b"), (0, "c"), (1, "d"), (0, "e"), (1, "f"), (1, "g")]
    buckets = Buckets([2, 3])
    emitted = [buckets.add(*item) for item in items]
    assert emitted == [None, None, ["a", "c"], None, None, ["b", "d", "f"], None]
    assert buckets.contents == [["e"], ["g"]]


def test_sources_and_orientations_have_buckets_of_their_own():
    sources = np.array([0, 0, 1, 1])
    is_wide = np.array([True, False, True, False])
    assert source_and_shape_buckets(sources, is_wide).tolist() == [0, 1, 2, 3]


def test_batches_hold_one_bucket_and_the_order_of_the_stream(factory):
    (state,) = factory.beginnings(seed=1, ranks=[0])
    for elements in plan(factory.planner(state), 40):
        buckets = {int(factory.layout.bucket_of_image[e.index]) for e in elements}
        assert len(buckets) == 1
        assert len(elements) == factory.layout.batch_sizes[buckets.pop()]
        positions = [e.position for e in elements]
        assert positions == sorted(positions)
        assert all(position % 2 == 0 for position in positions)


def test_no_element_is_lost_or_repeated(factory):
    seen = []
    for state in factory.beginnings(seed=1, ranks=[0, 1]):
        planner = factory.planner(state)
        batches = plan(planner, 30)
        waiting = itertools.chain.from_iterable(planner.state().waiting)
        seen += [e.position for e in itertools.chain(waiting, *batches)]
    assert len(seen) == len(set(seen))
    assert set(range(60)) <= set(seen)


@pytest.mark.parametrize("after", [1, 4, 17])
def test_planning_goes_on_from_a_saved_state(factory, after):
    planners = [factory.planner(s) for s in factory.beginnings(seed=1, ranks=[0, 1])]
    for planner in planners:
        plan(planner, after)
    saved = [planner.state().as_dict() for planner in planners]
    resumed = [factory.planner(state) for state in factory.states_from_dicts(saved)]
    for planner, again in zip(planners, resumed, strict=True):
        assert plan(again, 20) == plan(planner, 20)


def test_a_state_does_not_change_later(factory):
    (state,) = factory.beginnings(seed=1, ranks=[0])
    planner = factory.planner(state)
    after_first = planner.next_batch().state_after
    expected = plan(factory.planner(after_first), 10)
    plan(planner, 10)
    assert plan(factory.planner(after_first), 10) == expected


def test_ranks_of_one_epoch_share_it(factory):
    saved = [s.as_dict() for s in factory.beginnings(seed=1, ranks=[0, 1])]
    first, second = factory.states_from_dicts(saved)
    assert first.epoch is second.epoch
