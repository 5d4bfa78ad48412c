import pytest
import torch
from detectron2.config import get_cfg
from torch import nn

from centernet.config import add_centernet_config
from detic.config import add_detic_config
from detic.errors import InputError
from detic.modeling.backbone.swin import (
    PatchMerging,
    SwinBlock,
    SwinSize,
    SwinStage,
    SwinTransformer,
    build_swintransformer_backbone,
    pad_to_multiple,
)

TINY = SwinSize(channels=4, heads=(1, 1, 2, 2), depths=(1, 2, 1, 1), window=2, drop_path=0.0)


def averaging_block(shift):
    """A block whose attention is the mean of the tokens that see each other."""
    block = SwinBlock(1, heads=1, window=2, shift=shift, drop_path=0.0)
    attention = block.attn
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.zero_()
        attention.qkv.weight[2] = 1  # values are the tokens; all queries and keys are 0
        attention.proj.weight.fill_(1)
    return block


def attend(x, shift):
    x = torch.tensor(x)
    stage = SwinStage(1, 1, 2, [0.0], downsample=False, use_checkpoint=False)
    stage.blocks[0] = averaging_block(shift)
    masks = []
    stage.blocks[0].register_forward_pre_hook(lambda module, inputs: masks.append(inputs[1]))
    stage(x[None, :, :, None])
    return stage.blocks[0]._attend(x[None, :, :, None], masks[0])[0, :, :, 0]


def test_attention_stays_within_windows():
    means = attend([[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]], shift=0)
    assert means.tolist() == [[2.5, 2.5, 4.5, 4.5]] * 2


def test_shifted_windows_join_neighbours_and_never_opposite_borders():
    means = attend(torch.arange(16.0).view(4, 4).tolist(), shift=1)
    expected = [
        [0.0, 1.5, 1.5, 3.0],
        [6.0, 7.5, 7.5, 9.0],
        [6.0, 7.5, 7.5, 9.0],
        [12.0, 13.5, 13.5, 15.0],
    ]
    torch.testing.assert_close(means, torch.tensor(expected))


def test_maps_are_padded_to_whole_windows_by_zeros_that_take_part():
    means = attend([[8.0, 8.0, 4.0]], shift=0)
    assert means.tolist() == [[4.0, 4.0, 1.0]]


def test_padding_is_at_the_bottom_and_the_right():
    padded = pad_to_multiple(torch.ones(1, 2, 3, 1), 4)
    assert padded.shape == (1, 4, 4, 1)
    assert padded[0, :2, :3].all()
    assert padded.sum() == 6


def test_every_other_block_is_shifted_by_half_a_window():
    stage = SwinStage(4, 1, window=7, drop_paths=[0.0] * 4, downsample=False, use_checkpoint=False)
    assert [block.shift for block in stage.blocks] == [0, 3, 0, 3]


def test_merged_neighbours_are_listed_by_column():
    merging = PatchMerging(1)
    merging.norm = merging.reduction = nn.Identity()
    merged = merging(torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, :, :, None])
    assert merged.flatten().tolist() == [1, 3, 2, 4]


def test_odd_maps_are_halved_upwards():
    maps = SwinTransformer(size=TINY, out_stages=(0, 1, 3))(torch.zeros(1, 3, 37, 50))
    assert {name: tuple(x.shape[1:]) for name, x in maps.items()} == {
        "swin0": (4, 10, 13),
        "swin1": (8, 5, 7),
        "swin3": (32, 2, 2),
    }


def test_output_shapes_are_those_of_the_maps():
    model = SwinTransformer(size=TINY)
    maps = model(torch.zeros(1, 3, 64, 32))
    assert {
        name: (shape.channels, 64 // shape.stride, 32 // shape.stride)
        for name, shape in model.output_shape().items()
    } == {name: tuple(x.shape[1:]) for name, x in maps.items()}


def test_recomputed_activations_change_no_gradient():
    gradients = []
    for use_checkpoint in (False, True):
        torch.manual_seed(0)
        model = SwinTransformer(size=TINY, use_checkpoint=use_checkpoint).train()
        sum(x.square().sum() for x in model(torch.rand(1, 3, 32, 32)).values()).backward()
        gradients.append(model.patch_embed.proj.weight.grad)
    torch.testing.assert_close(*gradients)


def test_an_unknown_size_gives_the_choices():
    cfg = get_cfg()
    add_centernet_config(cfg)
    add_detic_config(cfg)
    cfg.MODEL.SWIN.SIZE = "XL"
    with pytest.raises(InputError, match=r"unknown MODEL\.SWIN\.SIZE 'XL'; choose T, S, B"):
        build_swintransformer_backbone(cfg, None)
