"""The weights a run starts from."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from detic.engine.weights import load_initial_weights
from detic.errors import InputError
from detic.plan.weights import InitialWeights
from detic.recipes import default_config
from detic.vocabulary.model_classes import KEY
from detic.weight_files import write_checkpoint


class Classifier(nn.Module):
    """A model that has nothing but the embeddings of two classes."""

    def __init__(self, value):
        super().__init__()
        self.roi_heads = nn.Module()
        self.roi_heads.box_predictor = nn.Module()
        self.roi_heads.box_predictor.cls_score = nn.Module()
        weight = torch.full((4, 3), value)
        self.roi_heads.box_predictor.cls_score.register_buffer("zs_weight", weight)

    def value(self):
        return float(self.roi_heads.box_predictor.cls_score.zs_weight[0, 0])


def weights_of(path, classes, *, allow_partial=False):
    """The weights of a recipe."""
    cfg = default_config()
    cfg.merge_from_list(["MODEL.WEIGHTS", str(path), KEY, classes])
    cfg.MODEL.ALLOW_PARTIAL_WEIGHTS = allow_partial
    return InitialWeights.from_config(cfg)


@pytest.mark.parametrize(("embeddings", "kept"), [("names.txt", 1.0), ("names.npy", 2.0)])
def test_a_list_of_names_is_the_truth_about_the_classes(tmp_path, embeddings, kept):
    write_checkpoint(tmp_path / "w.pth", {"model": Classifier(2.0).state_dict()})
    model = Classifier(1.0)
    load_initial_weights(weights_of(tmp_path / "w.pth", embeddings), model, purpose="train")
    assert model.value() == kept


@pytest.mark.parametrize(("counted", "kept"), [(True, 1.0), (False, 2.0)])
def test_frequencies_that_the_run_has_counted_stay(tmp_path, counted, kept):
    def model(value):
        made = Classifier(value)
        frequencies = torch.full((2,), value)
        made.roi_heads.box_predictor.register_buffer("freq_weight", frequencies)
        return made

    write_checkpoint(tmp_path / "w.pth", {"model": model(2.0).state_dict()})
    weights, own = weights_of(tmp_path / "w.pth", "names.npy"), model(1.0)
    weights = replace(weights, frequencies_are_counted=counted)
    load_initial_weights(weights, own, purpose="train")
    assert own.roi_heads.box_predictor.freq_weight.tolist() == [kept] * 2
    assert own.value() == 2.0


def test_random_weights_are_not_evaluated():
    with pytest.raises(InputError, match=r"MODEL\.WEIGHTS is empty; name the weights to evaluate"):
        load_initial_weights(weights_of("", "c.npy"), Classifier(1.0), purpose="inference")
    accepted = weights_of("", "c.npy", allow_partial=True)
    load_initial_weights(accepted, Classifier(1.0), purpose="inference")


@pytest.fixture
def weights(tmp_path):
    """Weights for two classes, of a recipe whose model has 80 that are set later."""
    write_checkpoint(tmp_path / "w.pth", {"model": Classifier(2.0).state_dict()})
    return weights_of(tmp_path / "w.pth", "rand")


def test_an_evaluation_takes_the_classes_in_the_weights(weights):
    model = Classifier(1.0)
    load_initial_weights(weights, model, purpose="inference")
    assert model.value() == 2.0


def test_random_classes_are_not_evaluated(weights):
    model = Classifier(1.0)
    model.roi_heads.box_predictor.cls_score.zs_weight = torch.zeros(4, 8)
    model.roi_heads.extra = nn.Parameter(torch.zeros(1))
    write_checkpoint(
        weights.path,
        {"model": Classifier(2.0).state_dict() | {"roi_heads.extra": torch.zeros(1)}},
    )
    with pytest.raises(InputError, match="has no embeddings of 80 classes"):
        load_initial_weights(weights, model, purpose="inference")
