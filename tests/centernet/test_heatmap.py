import torch

from centernet.heatmap import render_heatmap, scaled_distances, squared_radii


def test_radius_grows_with_the_box_from_a_minimum():
    boxes = torch.tensor([[0.0, 0.0, 90.0, 90.0], [0.0, 0.0, 4.0, 4.0]])
    # delta = 0.2 / 1.8 = 1/9: 2 / 81 * 8100 = 200; the small box takes 4 squared.
    torch.testing.assert_close(squared_radii(boxes, 0.8, 4.0), torch.tensor([200.0, 16.0]))


def test_distance_is_zero_in_the_cell_of_the_centre():
    grid = torch.tensor([[4.0, 4.0], [12.0, 4.0]])
    center = torch.tensor([[6.0, 5.0]])  # in the first cell of stride 8
    snapped = torch.tensor([[[4.0, 4.0]], [[4.0, 4.0]]])
    distances = scaled_distances(grid, center, snapped, torch.tensor([10.0]))
    torch.testing.assert_close(distances, torch.tensor([[0.0], [(36.0 + 1.0) / 10.0]]))


def test_channels_hold_their_own_nearest_object():
    distances = torch.tensor([[0.0, 1.0, 2.0]])  # one cell, three objects
    heat = render_heatmap(distances, torch.tensor([0, 1, 1]), num_channels=3)
    expected = torch.tensor([[1.0, torch.e**-1, 0.0]])
    torch.testing.assert_close(heat, expected)


def test_negligible_heat_is_zero():
    heat = render_heatmap(torch.tensor([[9.0], [10.0]]), torch.tensor([0]), 1)
    assert heat[0] > 0  # exp(-9) = 1.2e-4
    assert heat[1] == 0  # exp(-10) = 4.5e-5
