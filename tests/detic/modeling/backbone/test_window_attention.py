import torch

from detic.modeling.backbone.window_attention import (
    WindowAttention,
    from_windows,
    relative_position_index,
    shift_mask,
    to_windows,
)


def test_windows_are_cut_row_by_row():
    x = torch.arange(16).view(1, 4, 4, 1)
    windows = to_windows(x, 2).squeeze(2)
    assert windows.tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


def test_from_windows_inverts_to_windows():
    x = torch.rand(2, 4, 6, 3)
    assert torch.equal(from_windows(to_windows(x, 2), (4, 6), 2), x)


def test_shifted_windows_do_not_mix_opposite_borders():
    # In a map of 4 x 4 shifted by 1, the last window holds the four corners of the map.
    mask = shift_mask((4, 4), window=2, shift=1, device=torch.device("cpu"))
    assert torch.equal(mask[0], torch.zeros(4, 4))  # neighbours all
    assert torch.equal(mask[3], -100 * (1 - torch.eye(4)))  # four regions of one token
    top, bottom = [0, 1], [2, 3]
    assert (mask[2][top][:, bottom] == -100).all()
    assert (mask[2][top][:, top] == 0).all()


def test_what_a_graph_is_made_with_is_not_kept(monkeypatch):
    arguments = {"window": 2, "shift": 1, "device": torch.device("cpu")}
    kept = shift_mask((4, 4), **arguments)
    assert shift_mask((4, 4), **arguments) is kept
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    in_graph = shift_mask((4, 4), **arguments)
    assert in_graph is not kept
    assert in_graph.equal(kept)


def test_pairs_at_the_same_offset_share_a_bias():
    index = relative_position_index(2)  # tokens (0, 0), (0, 1), (1, 0), (1, 1)
    assert index.diagonal().unique().numel() == 1
    assert index[0, 1] == index[2, 3]  # one to the right
    assert index[0, 1] != index[1, 0]
    assert index.unique().numel() == 9


def test_bias_belongs_to_the_place_of_the_key_seen_from_the_query():
    attention = WindowAttention(1, heads=1, window=2)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.zero_()
        attention.qkv.weight[2] = 1  # values are the tokens
        attention.proj.weight.fill_(1)
        attention.relative_position_bias_table[relative_position_index(2)[0, 1]] = 100
    seen = attention(torch.tensor([[[1.0], [2.0], [3.0], [4.0]]]), mask=None)
    # The left tokens look to their right; the right ones see all alike.
    torch.testing.assert_close(seen.flatten(), torch.tensor([2.0, 2.5, 4.0, 2.5]))
