"""How often images are drawn, and in which order."""

import itertools
import math
from collections import Counter

import pytest
import torch
from detectron2.data.samplers import RepeatFactorTrainingSampler, TrainingSampler

from detic.annotation import AnnotationKind
from detic.errors import InputError
from detic.loading import sampling
from detic.loading.index_stream import Epoch, StrideReader
from detic.loading.sampling import (
    dataset_weights,
    repeat_factors,
    repeated_draw,
    shuffled_draw,
    tag_repeat_factors,
    weighted_draw,
)


def labelled(*labels):
    return {"pos_category_ids": list(labels)}


def boxed(*classes):
    return {"annotations": [{"category_id": c} for c in classes]}


def first(draw, seed, count):
    reader = StrideReader(Epoch.first(draw, seed), 0, 1)
    return [element.index for element in itertools.islice(reader, count)]


def test_rare_labels_repeat_their_images():
    records = [labelled(0), labelled(0, 1), labelled(0), labelled(), {}]
    # t = 0.8: label 0 in 3 of 5 images, label 1 in 1 of 5
    expected = [math.sqrt(0.8 / 0.6), 2.0, math.sqrt(0.8 / 0.6), 1.0, 1.0]
    torch.testing.assert_close(tag_repeat_factors(records, 0.8), torch.tensor(expected))


def test_a_label_listed_twice_counts_twice():
    records = [labelled(0, 0), labelled(), labelled(), labelled()]
    torch.testing.assert_close(tag_repeat_factors(records, 1.0)[0], torch.tensor(math.sqrt(2.0)))


def test_boxes_are_counted_once_per_image_and_class():
    records = [boxed(0, 0), boxed(0), boxed(0), boxed(0, 1)]
    factors = repeat_factors(records, AnnotationKind.BOX, 0.5)
    torch.testing.assert_close(factors, torch.tensor([1, 1, 1, math.sqrt(2)]))
    squared = repeat_factors(records, AnnotationKind.BOX, 0.5, sqrt=False)
    torch.testing.assert_close(squared, torch.tensor([1, 1, 1, 2.0]))


def test_datasets_are_drawn_by_ratio_whatever_their_size():
    weights = dataset_weights([2, 8], [1, 4], [None, None])
    torch.testing.assert_close(weights, torch.tensor([0.8] * 2 + [0.8] * 8))
    shares = weights / weights.sum()
    torch.testing.assert_close(shares[:2].sum(), torch.tensor(0.2))


def test_repeat_factors_shift_weights_within_a_dataset():
    weights = dataset_weights([2, 4], [1, 1], [torch.tensor([1.0, 3.0]), None])
    torch.testing.assert_close(weights, torch.tensor([0.5, 1.5, 0.5, 0.5, 0.5, 0.5]))


def test_weighted_draws_follow_the_weights():
    counts = Counter(first(weighted_draw(torch.tensor([1.0, 0.0, 3.0])), seed=0, count=4000))
    assert counts[1] == 0
    assert counts[2] / counts[0] == pytest.approx(3, rel=0.15)


def test_too_many_weighted_images_are_refused(monkeypatch):
    monkeypatch.setattr(sampling, "MAX_WEIGHTED_IMAGES", 2)
    with pytest.raises(InputError, match="have 3 images, at most 2 can be drawn by weight"):
        weighted_draw(torch.ones(3))


def test_shuffled_draws_are_those_of_detectron2():
    expected = itertools.islice(iter(TrainingSampler(7, seed=5)), 20)
    assert first(shuffled_draw(7), seed=5, count=20) == [int(i) for i in expected]


def test_repeated_draws_are_those_of_detectron2():
    factors = torch.tensor([1.0, 2.5, 1.2, 3.0])
    expected = itertools.islice(iter(RepeatFactorTrainingSampler(factors, seed=5)), 40)
    assert first(repeated_draw(factors), seed=5, count=40) == [int(i) for i in expected]


def test_small_weights_behind_a_large_one_are_drawn():
    """As single precision sums would not: 2**25 + 1 is 2**25 there."""
    weights = torch.cat([torch.tensor([2.0**25]), torch.ones(2**15)])
    drawn = weighted_draw(weights)(torch.Generator().manual_seed(0))
    assert 10 < (drawn > 0).sum() < 70  # 32 are expected
