import json

import pytest
import torch

from detic.errors import InputError
from detic.modeling.federated import (
    federated_mask,
    load_class_frequencies,
    race,
    sample_federated_classes,
)


def test_frequencies_come_in_id_order(tmp_path):
    info = [{"id": 3, "image_count": 9}, {"id": 1, "image_count": 4}, {"id": 2, "image_count": 0}]
    path = tmp_path / "freq.json"
    path.write_text(json.dumps(info))
    assert load_class_frequencies(str(path), 0.5).tolist() == [2, 0, 3]


@pytest.mark.parametrize("content", ["[{", '{"a": 1}', '[{"id": 1}]'])
def test_malformed_frequencies_are_refused_by_name(tmp_path, content):
    path = tmp_path / "freq.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"freq\.json.*image_count"):
        load_class_frequencies(str(path), 0.5)


def test_missing_frequencies_name_the_tool_that_makes_them():
    with pytest.raises(InputError, match="get_lvis_cat_info"):
        load_class_frequencies("nowhere.json", 0.5)


def test_an_empty_path_is_explained():
    with pytest.raises(InputError, match="CAT_FREQ_PATH is empty"):
        load_class_frequencies("", 0.5)


def test_sample_contains_every_present_class():
    present = torch.tensor([4, 2, 4])
    sampled = sample_federated_classes(present, 5, 8)
    assert sampled[:2].tolist() == [2, 4]
    assert len(sampled.unique()) == 5


def test_background_takes_a_place_in_the_sample():
    # The released models were trained so.
    sampled = sample_federated_classes(torch.tensor([8, 1]), 3, 8)
    assert sampled[:2].tolist() == [1, 8]
    assert len(sampled) == 3


def test_many_present_classes_are_all_kept():
    assert sample_federated_classes(torch.arange(6), 3, 8).tolist() == list(range(6))


def test_classes_without_weight_are_never_drawn():
    weights = torch.tensor([0.0, 1.0, 0.0, 1.0])
    drawn = sample_federated_classes(torch.tensor([4]), 3, 4, weights)
    assert sorted(drawn.tolist()) == [1, 3, 4]


def test_classes_beyond_the_frequencies_count_only_when_present():
    mask = federated_mask(torch.tensor([5, 6]), 4, 6, torch.ones(3))
    assert mask.tolist() == [*mask[:3].tolist(), 0, 0, 1]
    assert mask[:3].sum() == 2  # background (6) and class 5 hold the other two places


def test_a_small_vocabulary_has_no_class_twice():
    present = torch.tensor([3, 7])
    sampled = sample_federated_classes(present, num_sampled=12, num_classes=10)
    assert sorted(sampled.tolist()) == list(range(10))


def test_background_is_never_drawn():
    # Of 3 classes with weights two are present: only one is left for the two places.
    sampled = sample_federated_classes(torch.tensor([0, 1]), 4, 3, torch.ones(3))
    assert sampled.tolist() == [0, 1, 2]


def test_as_many_present_classes_as_places_leave_nothing_to_draw():
    assert sample_federated_classes(torch.tensor([2, 0]), 2, 8).tolist() == [0, 2]


def test_nothing_is_drawn_where_no_other_class_has_a_weight():
    weights = torch.tensor([1.0, 0.0, 0.0])
    assert sample_federated_classes(torch.tensor([0]), 2, 3, weights).tolist() == [0]


def test_the_mask_is_that_of_the_sample():
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        frequencies = torch.randint(0, 3, (seed + 2,), generator=generator).float()
        num_classes = seed + 4
        present = torch.randint(0, num_classes + 1, (5,), generator=generator)
        weights = torch.cat([frequencies, torch.zeros(2)])
        torch.manual_seed(seed)
        sampled = sample_federated_classes(present, 6, num_classes, weights)
        torch.manual_seed(seed)
        mask = federated_mask(present, 6, num_classes, frequencies)
        assert mask.nonzero().flatten().tolist() == sorted(
            c for c in sampled.tolist() if c < num_classes
        )


def test_a_gpu_draws_as_multinomial_does():
    weights = torch.rand(50)
    torch.manual_seed(1)
    expected = torch.multinomial(weights, 20)
    torch.manual_seed(1)
    assert torch.equal(race(weights, 20), expected)
