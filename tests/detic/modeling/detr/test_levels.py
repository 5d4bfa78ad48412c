import torch

from detic.modeling.detr.levels import join_levels, padding_of, resized_padding
from detic.modeling.detr.position_encoding import PositionEncoding


def two_levels():
    """The levels of an image of 8 x 8 pixels beside one of 8 high and 4 wide."""
    images = torch.zeros(2, 3, 8, 8)
    padding = padding_of([(8, 8), (8, 4)], images)
    maps = [torch.arange(2.0 * 8 * 4 * 4).view(2, 8, 4, 4), torch.ones(2, 8, 2, 2)]
    return join_levels(maps, padding, PositionEncoding(8), torch.tensor([[0.0] * 8, [5.0] * 8]))


def test_padding_is_right_of_and_below_the_image():
    padding = padding_of([(2, 3), (1, 2)], torch.zeros(2, 3, 2, 3))
    assert padding.tolist() == [[[False] * 3] * 2, [[False, False, True], [True] * 3]]


def test_padding_of_a_map_is_that_of_the_nearest_pixel():
    padding = torch.tensor([False] * 5 + [True] * 2).expand(1, 1, 7)
    assert resized_padding(padding, (1, 3)).tolist() == [[[False, False, False]]]  # pixels 0, 2, 4
    assert resized_padding(padding, (1, 4)).tolist() == [[[False, False, False, True]]]  # 0 1 3 5


def test_tokens_are_the_cells_row_by_row_finest_level_first():
    levels = two_levels()
    assert levels.tokens.shape == (2, 16 + 4, 8)
    assert levels.tokens[0, 5, 0] == 5.0  # second row, second column
    assert levels.shapes_hw == ((4, 4), (2, 2))
    assert levels.padding[0].sum() == 0
    assert levels.padding[1].tolist() == [False, False, True, True] * 4 + [False, True] * 2


def test_levels_are_told_apart_by_their_embedding():
    levels = two_levels()
    corner = levels.positions[1, 16] - 5  # the one cell that covers the image's width
    assert corner.abs().max() <= 1 + 1e-5


def test_centres_are_relative_to_the_image():
    levels = two_levels()
    torch.testing.assert_close(
        levels.valid_ratios, torch.tensor([[[1.0, 1.0]] * 2, [[0.5, 1.0]] * 2])
    )
    centres = levels.centres(levels.valid_wh)
    torch.testing.assert_close(centres[0, 1], torch.tensor([1.5 / 4, 0.5 / 4]))
    torch.testing.assert_close(centres[1, 1], torch.tensor([1.5 / 2, 0.5 / 4]))
    torch.testing.assert_close(centres[1, 16], torch.tensor([0.5, 0.25]))
