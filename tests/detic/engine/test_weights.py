"""The weights a run starts from."""

import pytest
import torch
from torch import nn

from detic.checkpoint.weight_file import write_checkpoint
from detic.engine.weights import load_initial_weights, with_classes_of_weights
from detic.errors import InputError
from detic.recipes import default_config


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


@pytest.mark.parametrize(("embeddings", "kept"), [("names.txt", 1.0), ("names.npy", 2.0)])
def test_a_list_of_names_is_the_truth_about_the_classes(tmp_path, embeddings, kept):
    cfg = default_config()
    cfg.MODEL.WEIGHTS = str(tmp_path / "w.pth")
    cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH = embeddings
    write_checkpoint(cfg.MODEL.WEIGHTS, {"model": Classifier(2.0).state_dict()})
    model = Classifier(1.0)
    load_initial_weights(cfg, model, purpose="train")
    assert model.value() == kept


def test_random_weights_are_not_evaluated():
    cfg = default_config()
    cfg.MODEL.WEIGHTS = ""
    with pytest.raises(InputError, match=r"MODEL\.WEIGHTS is empty; name the weights to evaluate"):
        load_initial_weights(cfg, Classifier(1.0), purpose="inference")
    cfg.MODEL.ALLOW_PARTIAL_WEIGHTS = True
    load_initial_weights(cfg, Classifier(1.0), purpose="inference")


@pytest.fixture
def evaluation_cfg(tmp_path):
    """A recipe whose file of embeddings is missing, with weights for two classes."""
    cfg = default_config()
    cfg.MODEL.WEIGHTS = str(tmp_path / "w.pth")
    cfg.MODEL.ROI_BOX_HEAD.USE_ZEROSHOT_CLS = True
    cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH = "nowhere.npy"
    write_checkpoint(cfg.MODEL.WEIGHTS, {"model": Classifier(2.0).state_dict()})
    return with_classes_of_weights(cfg)


def test_an_evaluation_takes_the_classes_in_the_weights(evaluation_cfg):
    model = Classifier(1.0)
    load_initial_weights(evaluation_cfg, model, purpose="inference")
    assert model.value() == 2.0


def test_random_classes_are_not_evaluated(evaluation_cfg):
    model = Classifier(1.0)
    model.roi_heads.box_predictor.cls_score.zs_weight = torch.zeros(4, 8)
    model.roi_heads.extra = nn.Parameter(torch.zeros(1))
    write_checkpoint(
        evaluation_cfg.MODEL.WEIGHTS,
        {"model": Classifier(2.0).state_dict() | {"roi_heads.extra": torch.zeros(1)}},
    )
    with pytest.raises(InputError, match="has no embeddings of 80 classes"):
        load_initial_weights(evaluation_cfg, model, purpose="inference")
