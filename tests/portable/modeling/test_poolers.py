import pytest
import torch
from detectron2.modeling.poolers import (
    ROIPooler,
    assign_boxes_to_levels,
    convert_boxes_to_pooler_format,
)
from detectron2.structures import Boxes

SCALES = [1 / 4, 1 / 8]


def square(side: float) -> list[float]:
    return [0.0, 0.0, side, side]


def two_level_pooler() -> ROIPooler:
    """Boxes of side 32 and more belong to the coarser of strides 4 and 8."""
    return ROIPooler(2, SCALES, 2, "ROIAlignV2", canonical_box_size=32, canonical_level=3)


@pytest.mark.parametrize(
    ("side", "level"),
    [
        (112, 3),  # one octave below the canonical size
        (223.9, 3),
        (224, 4),
        (448, 5),
        (1, 3),  # below the pyramid
        (0, 3),  # no area
        (5000, 5),  # above the pyramid
    ],
)
def test_level_of_a_box(side, level):
    levels = assign_boxes_to_levels([Boxes(torch.tensor([square(side)]))], 3, 5, 224, 4)
    assert levels.tolist() == [level - 3]


def test_pooler_format_names_the_image_of_each_box():
    boxes = [Boxes(torch.tensor([square(1)])), Boxes(torch.zeros(0, 4)), Boxes(torch.ones(2, 4))]
    assert convert_boxes_to_pooler_format(boxes).tolist() == [
        [0, 0, 0, 1, 1],
        [2, 1, 1, 1, 1],
        [2, 1, 1, 1, 1],
    ]


@pytest.mark.parametrize("channels", [1, 32])
def test_each_box_is_pooled_from_its_level_in_the_order_of_the_boxes(channels):
    """Level k of image i is filled with 10 * k + i."""
    features = [
        torch.stack([torch.full((channels, size, size), 10.0 * k + i) for i in range(2)])
        for k, size in enumerate((16, 8))
    ]
    boxes = [
        Boxes(torch.tensor([square(40), square(8), square(60)])),
        Boxes(torch.tensor([square(16), square(50)])),
    ]
    pooled = two_level_pooler()(features, boxes)
    assert pooled.shape == (5, channels, 2, 2)
    assert pooled.mean(dim=(1, 2, 3)).tolist() == [10, 0, 10, 1, 11]


def test_in_a_graph_the_same_is_pooled_and_nothing_of_boxes_without_area(monkeypatch):
    torch.manual_seed(0)
    features = [torch.rand(1, 32, size, size) for size in (16, 8)]
    boxes = torch.tensor([square(40), square(8), [3.0, 3.0, 3.0, 9.0], square(60)])
    expected = two_level_pooler()(features, [Boxes(boxes)])
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    pooled = two_level_pooler()(features, [Boxes(boxes)])
    torch.testing.assert_close(pooled[[0, 1, 3]], expected[[0, 1, 3]])
    assert not pooled[2].any()


@pytest.mark.parametrize("channels", [3, 32])
def test_without_boxes_gradients_are_kept(channels):
    features = [torch.randn(1, channels, 8, 8, requires_grad=True) for _ in SCALES]
    pooled = two_level_pooler()(features, [Boxes(torch.zeros(0, 4))])
    assert pooled.shape == (0, channels, 2, 2)
    pooled.sum().backward()
    assert all(float(f.grad.abs().sum()) == 0 for f in features)


@pytest.mark.parametrize(
    ("scales", "pooler_type", "message"),
    [
        ([0.25], "ROIWarp", "unknown pooler type 'ROIWarp'; choose ROIAlign, ROIAlignV2"),
        ([1 / 4, 1 / 16], "ROIAlignV2", "consecutive powers of 1/2"),
        ([1 / 8, 1 / 4], "ROIAlignV2", "consecutive powers of 1/2"),
        ([1 / 3], "ROIAlignV2", "consecutive powers of 1/2"),
    ],
)
def test_wrong_arguments_are_refused(scales, pooler_type, message):
    with pytest.raises(ValueError, match=message):
        ROIPooler(7, scales, 0, pooler_type)
