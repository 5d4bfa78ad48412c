from itertools import permutations

import pytest
import torch

from detic.modeling.detr.matching import PairWeights, Targets, match, pair_costs
from detic.modeling.detr.transformer import Prediction

WEIGHTS = PairWeights(classes=2.0, l1=5.0, giou=2.0)


def random_set(num_queries, counts, num_classes=4, seed=0):
    g = torch.Generator().manual_seed(seed)
    prediction = Prediction(
        torch.randn(len(counts), num_queries, num_classes, generator=g),
        torch.rand(len(counts), num_queries, 4, generator=g) * 0.5 + 0.1,
    )
    targets = [
        Targets(
            torch.randint(num_classes, (n,), generator=g),
            torch.rand(n, 4, generator=g) * 0.5 + 0.1,
        )
        for n in counts
    ]
    return prediction, targets


def cheapest_by_trying(costs):
    """The lowest cost of an assignment of all columns to different rows."""
    num_queries, num_objects = costs.shape
    return min(
        sum(float(costs[q, g]) for g, q in enumerate(rows))
        for rows in permutations(range(num_queries), num_objects)
    )


@pytest.mark.parametrize("seed", range(5))
def test_no_other_assignment_is_cheaper(seed):
    prediction, targets = random_set(6, [3], seed=seed)
    matches = match([(prediction, targets)], WEIGHTS)[0]
    costs = pair_costs(prediction.class_logits[0], prediction.boxes[0], targets[0], WEIGHTS)
    assert sorted(matches.objects.tolist()) == [0, 1, 2]
    assert len(set(matches.queries.tolist())) == 3
    found = float(costs[matches.queries, matches.objects].sum())
    assert found == pytest.approx(cheapest_by_trying(costs), abs=1e-5)


def test_objects_are_counted_over_all_images():
    prediction, targets = random_set(6, [2, 0, 3])
    matches = match([(prediction, targets)], WEIGHTS)[0]
    assert matches.images.tolist() == [0, 0, 2, 2, 2]
    assert sorted(matches.objects.tolist()) == [0, 1, 2, 3, 4]


def test_with_fewer_queries_than_objects_every_query_is_matched():
    prediction, targets = random_set(2, [5])
    assert sorted(match([(prediction, targets)], WEIGHTS)[0].queries.tolist()) == [0, 1]


def test_sets_are_matched_each_by_itself():
    sets = [random_set(6, [2, 3], seed=seed) for seed in (0, 1)]
    for together, of_set in zip(match(sets, WEIGHTS), sets, strict=True):
        for a, b in zip(together, match([of_set], WEIGHTS)[0], strict=True):
            assert torch.equal(a, b)


def test_the_cost_of_one_pair_by_hand():
    """Of p = 0.5: 0.25 x 0.25 x ln 2 as positive and 0.75 x 0.25 x ln 2 as negative."""
    boxes = torch.tensor([[0.5, 0.5, 0.2, 0.2]])
    targets = Targets(torch.tensor([1]), torch.tensor([[0.5, 0.5, 0.2, 0.4]]))
    cost = pair_costs(torch.tensor([[3.0, 0.0]]), boxes, targets, WEIGHTS)
    by_class = 2 * (0.25 - 0.75) * 0.25 * torch.tensor(2.0).log()
    expected = by_class + 5 * 0.2 - 2 * 0.5
    torch.testing.assert_close(cost, expected.view(1, 1))


def test_predictions_that_are_no_numbers_are_matched_somehow():
    """The losses then tell which images they came from."""
    prediction, targets = random_set(4, [2])
    broken = Prediction(prediction.class_logits * float("nan"), prediction.boxes)
    assert len(match([(broken, targets)], WEIGHTS)[0].queries) == 2
