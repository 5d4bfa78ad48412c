import torch
from detectron2.modeling.sampling import subsample_labels

BACKGROUND = 5


def test_positive_share_is_a_limit_and_negatives_fill_up():
    labels = torch.tensor([0] * 10 + [BACKGROUND] * 10)
    positive, negative = subsample_labels(labels, 8, 0.25, BACKGROUND)
    assert len(positive) == 2
    assert len(negative) == 6
    assert set(labels[positive].tolist()) == {0}
    assert set(labels[negative].tolist()) == {BACKGROUND}


def test_ignored_labels_are_never_drawn():
    labels = torch.tensor([-1, -1, 2, BACKGROUND])
    positive, negative = subsample_labels(labels, 100, 0.5, BACKGROUND)
    assert positive.tolist() == [2]
    assert negative.tolist() == [3]


def test_no_index_is_drawn_twice():
    labels = torch.tensor([0] * 50 + [BACKGROUND] * 50)
    drawn = torch.cat(subsample_labels(labels, 60, 0.5, BACKGROUND))
    assert len(drawn.unique()) == 60


def test_the_order_is_that_of_randperm(monkeypatch):
    monkeypatch.setattr(torch, "randperm", lambda n, device=None: torch.arange(n).flip(0))
    labels = torch.tensor([0, BACKGROUND, 0, BACKGROUND])
    positive, negative = subsample_labels(labels, 3, 0.34, BACKGROUND)
    assert positive.tolist() == [2]
    assert negative.tolist() == [3, 1]
