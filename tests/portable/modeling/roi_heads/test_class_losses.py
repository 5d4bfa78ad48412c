import math

import pytest
import torch
from detectron2.data import MetadataCatalog
from detectron2.modeling.roi_heads.class_losses import (
    class_frequency_weights,
    sample_federated_classes,
    sigmoid_classification_loss,
)


def test_federated_sample_contains_every_present_class_and_fills_up():
    gt_classes = torch.tensor([4, 1, 4])
    sampled = sample_federated_classes(gt_classes, 5, 8, None)
    assert sampled[:2].tolist() == [1, 4]
    assert len(sampled.unique()) == 5
    assert int(sampled.max()) < 8


def test_background_counts_but_is_never_drawn():
    sampled = sample_federated_classes(torch.tensor([8, 1]), 3, 8, None)
    assert sampled[:2].tolist() == [1, 8]
    assert int(sampled[2]) not in (1, 8)


def test_classes_without_weight_are_never_drawn():
    weight = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0])
    sampled = sample_federated_classes(torch.tensor([0]), 3, 5, weight)
    assert sorted(sampled.tolist()) == [0, 1, 3]


def test_more_classes_than_wanted_all_take_part():
    gt_classes = torch.arange(6)
    assert sample_federated_classes(gt_classes, 3, 8, None).tolist() == list(range(6))


def test_sigmoid_loss_sums_over_classes_and_averages_over_regions():
    """Three regions, two classes, all logits 0: every entry costs ln 2."""
    loss = sigmoid_classification_loss(torch.zeros(3, 3), torch.tensor([0, 1, 2]))
    assert float(loss) == pytest.approx(2 * math.log(2))


def test_background_column_has_no_part_in_the_sigmoid_loss():
    logits = torch.zeros(1, 3)
    with_background = torch.tensor([[0.0, 0.0, 100.0]])
    gt_classes = torch.tensor([2])
    torch.testing.assert_close(
        sigmoid_classification_loss(logits, gt_classes),
        sigmoid_classification_loss(with_background, gt_classes),
    )


def test_class_weight_selects_columns():
    logits = torch.tensor([[3.0, -50.0, 0.0]])
    loss = sigmoid_classification_loss(logits, torch.tensor([2]), torch.tensor([0.0, 1.0]))
    assert float(loss) == pytest.approx(0, abs=1e-6)


def test_sigmoid_loss_of_no_regions_is_0():
    loss = sigmoid_classification_loss(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    assert float(loss) == 0


def test_frequency_weights_are_in_the_order_of_ids():
    name = "class_frequency_weights_test"
    MetadataCatalog.get(name).class_image_count = [
        {"id": 2, "image_count": 9},
        {"id": 1, "image_count": 4},
    ]
    assert class_frequency_weights(name, 0.5).tolist() == [2, 3]
    MetadataCatalog.remove(name)
