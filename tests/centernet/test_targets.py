import pytest
import torch
from detectron2.structures import Boxes, Instances

from centernet.targets import (
    NO_OBJECT,
    CellIndex,
    CenterNetTargets,
    TargetParams,
    batch_targets,
    compute_grids,
    dense_targets,
    excluded_cells,
    half_diagonals_in_range,
    positive_cells,
)

PARAMS = TargetParams(strides_px=(8, 16), size_ranges_px=((0, 40), (30, 1000)))
SHAPES = torch.tensor([[4, 4], [2, 2]])  # of a 32x32 image


def image(boxes, classes=None, size=(32, 32)):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    classes = torch.tensor(classes or [0] * len(boxes), dtype=torch.int64)
    return Instances(size, gt_boxes=Boxes(boxes), gt_classes=classes)


def grids():
    return compute_grids([(4, 4), (2, 2)], (8, 16), torch.device("cpu"))


def test_cell_centres_lie_half_a_stride_inside():
    fine, coarse = grids()
    assert fine[:2].tolist() == [[4, 4], [12, 4]]
    assert coarse.tolist() == [[8, 8], [24, 8], [8, 24], [24, 24]]


def test_cells_are_numbered_by_level_image_row_and_column():
    index = CellIndex(SHAPES, num_images=2)
    cells = torch.tensor([[1, 2], [1, 0]])  # column, row on each level
    assert index(1, cells).tolist() == [16 + 2 * 4 + 1, 2 * 16 + 4 + 1]


def test_object_is_positive_on_every_level_that_answers_for_its_size():
    # Half diagonals: 8.5 (first level only), 35.4 (both), 70.7 / 2 = 35.4.
    gt = [image([[2, 2, 14, 14]], [3]), image([[-9, -9, 41, 41]], [5])]
    inds, labels = positive_cells(gt, SHAPES, PARAMS)
    assert inds.tolist() == [5, 16 + 10, 32 + 4 + 3]
    assert labels.tolist() == [3, 5, 5]


def test_objects_in_one_cell_count_twice():
    inds, labels = positive_cells([image([[0, 0, 8, 8], [1, 1, 9, 9]], [1, 2])], SHAPES, PARAMS)
    assert inds.tolist() == [0, 0]
    assert labels.tolist() == [1, 2]


def test_centres_outside_the_image_are_clamped_on_request():
    gt = [image([[26, 4, 50, 12]])]  # centre (38, 8)
    params = TargetParams((8, 16), ((0, 40), (30, 1000)), clamp_centers=True)
    inds, _ = positive_cells(gt, SHAPES, params)
    assert inds.tolist() == [4 + 3]


def test_image_without_objects_regresses_nothing_and_stays_cold():
    ltrb, heat = dense_targets(grids(), [image([])], 1, PARAMS)
    assert (ltrb < -1e6).all()
    assert (heat == 0).all()


def test_cells_around_the_centre_regress_in_strides():
    ltrb, heat = dense_targets(grids(), [image([[2, 2, 22, 22]])], 1, PARAMS)
    # Centre (12, 12) is cell (1, 1), which looks at pixel (12, 12): ten pixels from all sides.
    torch.testing.assert_close(ltrb[5], torch.full((4,), 10 / 8))
    assert heat[5] == 1
    has_object = ltrb[:16].amax(dim=1) >= 0
    assert has_object.view(4, 4).tolist() == [
        [True, True, True, False],
        [True, True, True, False],
        [True, True, True, False],
        [False, False, False, False],
    ]
    assert (ltrb[16:] < 0).all()  # too small for the second level


def test_nearest_object_wins_a_cell():
    small, large = [8, 8, 16, 16], [0, 0, 32, 32]
    ltrb, _ = dense_targets(grids(), [image([large, small])], 1, PARAMS)
    torch.testing.assert_close(ltrb[5], torch.full((4,), 4 / 8))  # pixel (12, 12): the small one


def test_batch_is_level_major():
    gt = [image([]), image([[2, 2, 22, 22]])]
    ltrb, _ = dense_targets(grids(), gt, 1, PARAMS)
    assert ltrb.shape == (40, 4)
    assert ltrb[16 + 5].min() > 0


@pytest.mark.parametrize("num_channels", [1, 4])
def test_heat_goes_to_the_channel_of_the_class(num_channels):
    _, heat = dense_targets(grids(), [image([[2, 2, 22, 22]], [2])], num_channels, PARAMS)
    assert heat.shape[1] == num_channels
    assert heat[5].argmax() == (2 if num_channels > 1 else 0)


def test_size_ranges_include_both_ends():
    ranges = torch.tensor([[0.0, 5.0], [5.0, 9.0], [0.0, 4.9], [5.1, 9.0]])
    answers = half_diagonals_in_range(torch.tensor([[6.0, 8.0]]), ranges)  # half diagonal: 5
    assert answers.tolist() == [True, True, False, False]


def test_cells_on_the_border_of_a_box_do_not_regress_it():
    ltrb, _ = dense_targets(grids(), [image([[4, 4, 20, 20]])], 1, PARAMS)
    # The neighbours of cell (1, 1) look at pixels 4 and 20.
    assert (ltrb[:16].amax(dim=1) >= 0).nonzero().tolist() == [[5]]


def test_cells_beyond_the_neighbours_of_the_centre_do_not_regress():
    # Centre (28, 28), in cell (3, 3): of the cells it lies in, column and row 0 and 1 are too far.
    ltrb, _ = dense_targets(
        grids(), [image([[-4, -4, 60, 60]])], 1, TargetParams((8, 16), ((0, 99),) * 2)
    )
    assert (ltrb[:16].amax(dim=1) >= 0).nonzero().flatten().tolist() == [10, 11, 14, 15]


def test_cells_without_an_object_are_told_from_distances_of_zero():
    targets = CenterNetTargets(
        positive_inds=torch.tensor([0]),
        labels=torch.tensor([0]),
        ltrb=torch.tensor([[0.0, 0.0, 0.0, 0.0], [NO_OBJECT] * 4]),
        heatmap=torch.zeros(2, 1),
    )
    assert targets.has_object.tolist() == [True, False]


def test_targets_of_a_batch_are_those_of_its_parts():
    gt = [image([]), image([[2, 2, 22, 22], [1, 1, 31, 31]], [3, 1])]
    targets, regressed = batch_targets(grids(), gt, SHAPES, 4, PARAMS)
    inds, labels = positive_cells(gt, SHAPES, PARAMS)
    ltrb, heat = dense_targets(grids(), gt, 4, PARAMS)
    for found, expected in zip(targets, (inds, labels, ltrb, heat), strict=True):
        assert torch.equal(found, expected)
    assert regressed.tolist() == targets.has_object.nonzero().flatten().tolist() != []


def test_cells_are_excluded_that_look_into_a_box_or_have_its_centre():
    # Cells look at 4, 12, 20, 28 and at 8, 24. The second box lies between all of these.
    boxes = [torch.tensor([[3.0, 3.0, 13.0, 5.0], [15.0, 17.0, 16.5, 17.5]]), torch.zeros(0, 4)]
    excluded = excluded_cells(grids(), boxes, PARAMS)
    fine, coarse = excluded[:32].view(2, 4, 4), excluded[32:].view(2, 2, 2)
    assert fine[0].nonzero().tolist() == [[0, 0], [0, 1], [2, 1]]
    assert coarse[0].nonzero().tolist() == [[0, 0], [1, 0]]
    assert not fine[1].any()
    assert not coarse[1].any()
