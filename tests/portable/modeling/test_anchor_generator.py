import torch
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator, build_anchor_generator


def generator(**kwargs) -> DefaultAnchorGenerator:
    defaults = {"sizes": [[8]], "aspect_ratios": [[1.0]], "strides": [4], "offset": 0.0}
    return DefaultAnchorGenerator(**{**defaults, **kwargs})


def anchors_of(sizes, ratios):
    generator = DefaultAnchorGenerator(sizes=[sizes], aspect_ratios=[ratios], strides=[8])
    (anchors,) = generator.cell_anchors
    return anchors


def test_area_is_the_square_of_the_size_and_ratio_is_height_over_width():
    anchors = anchors_of([16], [0.25, 4])
    assert anchors.tolist() == [[-16, -4, 16, 4], [-4, -16, 4, 16]]


def test_all_ratios_of_a_size_come_before_the_next_size():
    anchors = anchors_of([8, 32], [1, 4])
    heights = (anchors[:, 3] - anchors[:, 1]).tolist()
    assert heights == [8, 16, 32, 64]


def test_first_anchor_is_centred_at_offset_times_stride():
    features = [torch.zeros(1, 1, 2, 3)]
    at_corner = generator(offset=0.0)(features)[0].get_centers()
    at_middle = generator(offset=0.5)(features)[0].get_centers()
    assert at_corner.tolist() == [[0, 0], [4, 0], [8, 0], [0, 4], [4, 4], [8, 4]]
    torch.testing.assert_close(at_middle, at_corner + 2)


def test_one_list_serves_all_feature_maps():
    anchors = generator(sizes=[8, 16], strides=[4, 8])
    assert anchors.num_anchors == [2, 2]
    anchors = generator(sizes=[[8], [16]], strides=[4, 8])
    assert [float(cell[0, 2]) for cell in anchors.cell_anchors] == [4, 8]


def test_anchors_are_not_in_the_state_dict():
    assert generator().state_dict() == {}


def test_built_from_config():
    anchors = build_anchor_generator(get_cfg(), [ShapeSpec(channels=4, stride=16)])
    assert anchors.num_anchors == [15]
    assert anchors.strides == [16]
