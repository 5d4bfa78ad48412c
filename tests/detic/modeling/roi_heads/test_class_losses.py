import math

import torch

from detic.modeling.roi_heads.class_losses import sigmoid_class_loss, softmax_class_loss

LN2 = math.log(2)


def test_sigmoid_loss_sums_over_classes_and_averages_over_boxes():
    logits = torch.zeros(2, 4)  # three classes and the background
    loss = sigmoid_class_loss(logits, torch.tensor([1, 3]))
    torch.testing.assert_close(loss, torch.tensor(3 * LN2))


def test_background_column_does_not_count_in_the_sigmoid_loss():
    logits = torch.tensor([[0.0, 0.0, 50.0]])
    torch.testing.assert_close(sigmoid_class_loss(logits, torch.tensor([2])), torch.tensor(2 * LN2))


def test_classes_of_weight_zero_cost_nothing():
    weights = torch.tensor([1.0, 0.0, 0.0])
    loss = sigmoid_class_loss(torch.zeros(1, 4), torch.tensor([1]), weights)
    torch.testing.assert_close(loss, torch.tensor(LN2))


def test_softmax_loss_is_weighted_by_the_class_of_each_box():
    logits = torch.tensor([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
    gt = torch.tensor([2, 1])  # background, and a class without weight
    loss = softmax_class_loss(logits, gt, torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(loss, torch.tensor(math.log(3)))


def test_empty_batch_keeps_gradients():
    for loss_function in (sigmoid_class_loss, softmax_class_loss):
        logits = torch.zeros(0, 4, requires_grad=True)
        loss = loss_function(logits, torch.zeros(0, dtype=torch.int64))
        loss.backward()
        assert loss == 0
