"""Which regions show what."""

import doctest

import torch

from detic.modeling.regions import RegionFeatures
from detic.tuning import evidence
from detic.tuning.evidence import BACKGROUND, evidence_of_boxes, evidence_of_label, joined


def regions(*boxes):
    count = len(boxes)
    embeddings = torch.arange(count, dtype=torch.float32).reshape(1, count, 1)  # its own number
    return RegionFeatures(embeddings, torch.tensor(boxes), torch.linspace(0.9, 0.1, count))


def test_regions_on_a_box_show_its_class_those_apart_nothing_the_others_are_left_out():
    found = evidence_of_boxes(
        regions([0.0, 0, 10, 10], [0.0, 0, 10, 4], [0.0, 0, 10, 2], [50.0, 50, 60, 60]),
        torch.tensor([[0.0, 0, 10, 10], [50.0, 50, 60, 58]]),
        torch.tensor([7, 3]),
    )
    assert found.embeddings.flatten().tolist() == [0, 3, 2]
    assert found.labels.tolist() == [7, 3, BACKGROUND]


def test_the_label_of_an_image_stands_for_the_largest_region_but_the_last():
    found = evidence_of_label(regions([0.0, 0, 5, 5], [0.0, 0, 9, 9], [0.0, 0, 20, 20]), 4)
    assert found.embeddings.flatten().tolist() == [1]
    assert found.labels.tolist() == [4]


def test_the_label_of_an_image_without_regions_says_nothing():
    nothing = RegionFeatures(torch.zeros(1, 0, 1), torch.zeros(0, 4), torch.zeros(0))
    assert evidence_of_label(nothing, 4).labels.tolist() == []


def test_evidence_of_several_images_is_in_their_order():
    parts = [evidence_of_label(regions([0.0, 0, 5, 5]), label) for label in (2, 0)]
    assert joined(parts).labels.tolist() == [2, 0]


def test_weights_are_those_of_the_example():
    assert doctest.testmod(evidence).failed == 0
