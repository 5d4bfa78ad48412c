import doctest
import math

import pytest
import torch
from detectron2.modeling import box_regression
from detectron2.modeling._regression_loss import box_regression_loss, dense_box_regression_loss
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.structures import Boxes

WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def random_boxes(count: int, seed: int) -> torch.Tensor:
    corners = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * 50
    sizes = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed + 1)) * 30 + 1
    return torch.cat([corners, corners + sizes], dim=1)


def test_docstring_examples():
    assert doctest.testmod(box_regression).failed == 0


def test_deltas_by_hand():
    source = torch.tensor([[0.0, 0.0, 10.0, 20.0]])
    target = torch.tensor([[5.0, 0.0, 25.0, 10.0]])  # centre (15, 5) from (5, 10), size 20 x 10
    deltas = Box2BoxTransform(WEIGHTS).get_deltas(source, target)
    expected = [10 * 1.0, 10 * -0.25, 5 * math.log(2), 5 * math.log(0.5)]
    assert deltas[0].tolist() == pytest.approx(expected)


def test_decode_inverts_encode():
    source, target = random_boxes(20, 0), random_boxes(20, 10)
    transform = Box2BoxTransform(WEIGHTS)
    decoded = transform.apply_deltas(transform.get_deltas(source, target), source)
    torch.testing.assert_close(decoded, target, rtol=1e-5, atol=1e-4)


def test_growth_is_limited_to_1000_over_16():
    box = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    x1, y1, x2, y2 = Box2BoxTransform((1, 1, 1, 1)).apply_deltas(
        torch.tensor([[0.0, 0.0, 99.0, 0.0]]), box
    )[0]
    assert float(x2 - x1) == pytest.approx(1000)
    assert float(y2 - y1) == pytest.approx(16)


def test_decoding_half_precision_deltas_gives_single_precision_boxes():
    boxes = Box2BoxTransform(WEIGHTS).apply_deltas(torch.zeros(2, 4).half(), random_boxes(2, 0))
    assert boxes.dtype == torch.float32


def test_boxes_without_width_are_refused():
    flat = torch.tensor([[3.0, 3.0, 3.0, 9.0]])
    with pytest.raises(AssertionError, match="must not be empty"):
        Box2BoxTransform(WEIGHTS).get_deltas(flat, random_boxes(1, 0))


def test_smooth_l1_with_beta_0_is_the_sum_of_absolute_differences():
    source, target = random_boxes(4, 0), random_boxes(4, 5)
    transform = Box2BoxTransform(WEIGHTS)
    pred = torch.randn(4, 4)
    loss = box_regression_loss(transform, source, pred, target, "smooth_l1", 0.0)
    torch.testing.assert_close(loss, (pred - transform.get_deltas(source, target)).abs().sum())


def test_giou_of_the_exact_deltas_is_0():
    source, target = random_boxes(4, 0), random_boxes(4, 5)
    transform = Box2BoxTransform(WEIGHTS)
    deltas = transform.get_deltas(source, target)
    assert float(box_regression_loss(transform, source, deltas, target, "giou")) == pytest.approx(
        0, abs=1e-4
    )


def test_unknown_loss_names_the_choices():
    with pytest.raises(ValueError, match="unknown box regression loss 'l3'; choose smooth_l1"):
        box_regression_loss(
            Box2BoxTransform(WEIGHTS), torch.ones(1, 4), torch.ones(1, 4), torch.ones(1, 4), "l3"
        )


def test_dense_loss_counts_foreground_anchors_only():
    """Two levels, two images; the anchors of the second level in the first image count."""
    levels = [random_boxes(2, 0), random_boxes(3, 5)]
    targets = [random_boxes(5, 20), torch.zeros(5, 4)]
    deltas = [torch.randn(2, 2, 4), torch.randn(2, 3, 4)]
    foreground = torch.tensor([[False, False, True, True, True], [False] * 5])
    transform = Box2BoxTransform(WEIGHTS)
    loss = dense_box_regression_loss(
        [Boxes(level) for level in levels], transform, deltas, targets, foreground
    )
    expected = box_regression_loss(transform, levels[1], deltas[1][0], targets[0][2:])
    torch.testing.assert_close(loss, expected)


def test_dense_loss_without_foreground_is_0_and_keeps_gradients():
    deltas = torch.randn(1, 3, 4, requires_grad=True)
    loss = dense_box_regression_loss(
        [random_boxes(3, 0)],
        Box2BoxTransform(WEIGHTS),
        [deltas],
        [torch.zeros(3, 4)],
        torch.zeros(1, 3, dtype=torch.bool),
    )
    loss.backward()
    assert float(loss.detach()) == 0
    assert float(deltas.grad.abs().sum()) == 0
