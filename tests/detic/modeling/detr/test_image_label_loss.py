import torch
from torch.nn import functional as F

from detic.modeling.detr.image_label_loss import image_label_loss
from detic.modeling.detr.transformer import Prediction


def layer(seed=0):
    g = torch.Generator().manual_seed(seed)
    return Prediction(torch.randn(2, 3, 4, generator=g), torch.rand(2, 3, 4, generator=g))


def bce(logits, label):
    return F.binary_cross_entropy_with_logits(
        logits, F.one_hot(torch.tensor(label), 4).float(), reduction="sum"
    )


def test_each_label_supervises_the_query_with_the_largest_box_of_each_layer():
    layers = [layer(0), layer(1)]
    for prediction, largest in zip(layers, (2, 0), strict=True):
        prediction.boxes[0, largest, 2:] = torch.tensor([1.0, 1.5])
    logits = [layers[0].class_logits[0, 2], layers[1].class_logits[0, 0]]
    expected = sum(bce(row, label) for row in logits for label in (1, 3)) / 2  # labels
    torch.testing.assert_close(image_label_loss(layers, [[1, 3], []]), expected / 2)  # images


def test_the_first_of_equal_boxes_counts():
    prediction = layer()
    prediction.boxes[..., 2:] = 0.5
    expected = bce(prediction.class_logits[0, 0], 2) / 2
    torch.testing.assert_close(image_label_loss([prediction], [[2], []]), expected)


def test_a_batch_without_labels_costs_nothing():
    loss = image_label_loss([layer()], [[], []])
    assert isinstance(loss, torch.Tensor)
    assert loss == 0
