import torch

from detic.modeling.detr.levels import TokenLevels
from detic.modeling.detr.queries import anchor_logits, best_proposals


def levels_of(shape_hw, valid_wh, padding):
    height, width = shape_hw
    return TokenLevels(
        tokens=torch.zeros(1, height * width, 8),
        positions=torch.zeros(1, height * width, 8),
        padding=torch.tensor(padding).view(1, -1),
        shapes_hw=(shape_hw,),
        sizes_wh=torch.tensor([[float(width), float(height)]]),
        valid_wh=torch.tensor([[valid_wh]]),
    )


def test_anchors_are_squares_around_the_cells_of_the_image():
    levels = levels_of((2, 3), (2.0, 2.0), [[False, False, True]] * 2)
    anchors = anchor_logits(levels).sigmoid().view(2, 3, 4)
    torch.testing.assert_close(anchors[1, 0], torch.tensor([0.25, 0.75, 0.05, 0.05]))
    torch.testing.assert_close(anchors[:, 2], torch.ones(2, 4))  # infinite: padding


def test_anchors_at_the_border_are_left_out():
    width = 60  # centres from 1 / 120 on
    levels = levels_of((1, width), (float(width), 1.0), [False] * width)
    has_anchor = anchor_logits(levels).isfinite().all(dim=-1)[0]
    assert has_anchor.tolist() == [False] + [True] * (width - 2) + [False]


def test_each_level_has_boxes_of_twice_the_size():
    shapes = ((1, 1),) * 6
    levels = TokenLevels(
        tokens=torch.zeros(1, 6, 8),
        positions=torch.zeros(1, 6, 8),
        padding=torch.zeros(1, 6, dtype=torch.bool),
        shapes_hw=shapes,
        sizes_wh=torch.ones(6, 2),
        valid_wh=torch.ones(1, 6, 2),
    )
    sides = anchor_logits(levels).sigmoid()[0, :, 3]
    # The last one would be larger than the image.
    torch.testing.assert_close(sides, torch.tensor([0.05, 0.1, 0.2, 0.4, 0.8, 1.0]))


def test_proposals_are_ranked_by_the_first_class():
    logits = torch.tensor([[[0.0, 9.0], [2.0, 0.0], [1.0, 5.0]]])
    boxes = torch.randn(1, 3, 4, requires_grad=True)
    best = best_proposals(logits, boxes, 2)
    torch.testing.assert_close(best, boxes.detach()[:, [1, 2]].sigmoid())
    assert not best.requires_grad


def test_small_images_have_fewer_queries():
    assert best_proposals(torch.zeros(1, 3, 2), torch.zeros(1, 3, 4), 300).shape == (1, 3, 4)
