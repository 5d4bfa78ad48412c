import pytest
import torch

from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier

EMBEDDINGS = torch.tensor([[3.0, 0.0], [0.0, 0.5]])


def classifier(**kwargs):
    model = ZeroShotClassifier(in_features=2, class_embeddings=EMBEDDINGS, **kwargs)
    with torch.no_grad():
        model.linear.weight.copy_(torch.eye(2))
        model.linear.bias.zero_()
    return model


def test_logits_are_cosines_times_the_temperature():
    logits = classifier(temperature=50.0)(torch.tensor([[3.0, 4.0]]))
    torch.testing.assert_close(logits, torch.tensor([[30.0, 40.0, 0.0]]))


def test_without_normalisation_logits_are_products():
    logits = classifier(normalize=False)(torch.tensor([[3.0, 4.0]]))
    torch.testing.assert_close(logits, torch.tensor([[9.0, 2.0, 0.0]]))


def test_bias_is_learnable_and_reaches_the_background():
    model = classifier(bias=-2.0)
    assert model.cls_bias.requires_grad
    assert model(torch.zeros(1, 2)).tolist() == [[-2.0, -2.0, -2.0]]


def test_given_classes_replace_the_own_ones_without_a_background():
    logits = classifier()(torch.tensor([[0.0, 2.0]]), classifier=torch.tensor([[0.0, 7.0]]))
    assert logits.tolist() == [[50.0]]


def test_zero_row_stays_zero():
    logits = classifier()(torch.tensor([[0.0, 2.0]]), classifier=torch.zeros(1, 2))
    assert logits.tolist() == [[0.0]]


@pytest.mark.parametrize("learn", [True, False])
def test_embeddings_are_in_the_state_whether_they_are_learned_or_not(learn):
    model = classifier(learn_embeddings=learn)
    assert model.num_classes == 2
    assert model.state_dict()["zs_weight"].tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert ("zs_weight" in dict(model.named_parameters())) == learn
    assert model.double().zs_weight.dtype == torch.float64
