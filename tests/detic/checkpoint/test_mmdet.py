import pytest
import torch

from detic.checkpoint.mmdet import (
    TO_MMDET,
    from_mmdet,
    is_mmdet,
    neighbours_first,
    neighbours_last,
    to_mmdet,
)

from .conftest import assert_same, distinct, read_manifest

# One name of each kind, as detectron2 and mmdetection spell them.
PAIRS = {
    "backbone.bottom_up.patch_embed.proj.weight": "backbone.patch_embed.projection.weight",
    "backbone.bottom_up.patch_embed.norm.bias": "backbone.patch_embed.norm.bias",
    "backbone.bottom_up.layers.2.blocks.17.mlp.fc1.weight": "backbone.stages.2.blocks.17.ffn.layers.0.0.weight",
    "backbone.bottom_up.layers.2.blocks.17.mlp.fc2.bias": "backbone.stages.2.blocks.17.ffn.layers.1.bias",
    "backbone.bottom_up.layers.0.blocks.1.attn.relative_position_index": "backbone.stages.0.blocks.1.attn.w_msa.relative_position_index",
    "backbone.bottom_up.layers.0.blocks.1.norm2.weight": "backbone.stages.0.blocks.1.norm2.weight",
    "backbone.bottom_up.layers.1.downsample.norm.weight": "backbone.stages.1.downsample.norm.weight",
    "backbone.bottom_up.layers.1.downsample.reduction.weight": "backbone.stages.1.downsample.reduction.weight",
    "backbone.bottom_up.norm3.weight": "backbone.norm3.weight",
    "backbone.bottom_up.base.conv1.weight": "backbone.conv1.weight",
    "backbone.bottom_up.base.bn1.running_var": "backbone.bn1.running_var",
    "backbone.bottom_up.base.layer3.5.conv2.weight": "backbone.layer3.5.conv2.weight",
    "backbone.fpn_lateral3.weight": "neck.lateral_convs.0.conv.weight",
    "backbone.fpn_output5.bias": "neck.fpn_convs.2.conv.bias",
    "backbone.top_block.p6.weight": "neck.fpn_convs.3.conv.weight",
    "backbone.top_block.p7.weight": "neck.fpn_convs.4.conv.weight",
    "proposal_generator.centernet_head.bbox_tower.0.weight": "rpn_head.reg_convs.0.conv.weight",
    "proposal_generator.centernet_head.bbox_tower.10.bias": "rpn_head.reg_convs.3.gn.bias",
    "proposal_generator.centernet_head.bbox_pred.weight": "rpn_head.conv_reg.weight",
    "proposal_generator.centernet_head.agn_hm.bias": "rpn_head.conv_cls.bias",
    "proposal_generator.centernet_head.scales.4.scale": "rpn_head.scales.4.scale",
    "roi_heads.box_head.2.fc1.weight": "roi_head.bbox_head.2.shared_fcs.0.weight",
    "roi_heads.box_head.2.fc2.bias": "roi_head.bbox_head.2.shared_fcs.1.bias",
    "roi_heads.box_predictor.1.freq_weight": "roi_head.bbox_head.1.freq_weight",
    "roi_heads.box_predictor.1.cls_score.zs_weight": "roi_head.bbox_head.1.fc_cls.zs_weight",
    "roi_heads.box_predictor.1.cls_score.linear.bias": "roi_head.bbox_head.1.fc_cls.linear.bias",
    "roi_heads.box_predictor.0.bbox_pred.0.weight": "roi_head.bbox_head.0.fc_reg.0.weight",
    "roi_heads.box_predictor.0.bbox_pred.2.bias": "roi_head.bbox_head.0.fc_reg.2.bias",
    "roi_heads.mask_head.mask_fcn4.weight": "roi_head.mask_head.convs.3.conv.weight",
    "roi_heads.mask_head.deconv.weight": "roi_head.mask_head.upsample.weight",
    "roi_heads.mask_head.predictor.bias": "roi_head.mask_head.conv_logits.bias",
}


@pytest.mark.parametrize("name", PAIRS)
def test_each_kind_of_name_is_translated_both_ways(name):
    assert TO_MMDET(name) == PAIRS[name]
    assert TO_MMDET.inverse()(PAIRS[name]) == name


def test_merged_neighbours_move_from_columns_first_to_rows_first():
    # channel c of the neighbour in row r, column k: 100 c + 10 r + k
    ours = [0, 100, 10, 110, 1, 101, 11, 111]
    theirs = [0, 1, 10, 11, 100, 101, 110, 111]
    assert neighbours_last(torch.tensor(ours)).tolist() == theirs
    assert neighbours_first(torch.tensor(theirs)).tolist() == ours


def test_patch_merging_computes_the_same_in_either_order():
    torch.manual_seed(0)
    x, weight = torch.randn(3, 5, 2, 2), torch.randn(7, 20)  # 5 channels of 2 x 2 neighbours
    ours = torch.cat([x[:, :, row, column] for column in (0, 1) for row in (0, 1)], dim=1)
    theirs = torch.nn.functional.unfold(x, kernel_size=2).flatten(1)
    torch.testing.assert_close(theirs, neighbours_last(ours), rtol=0, atol=0)
    torch.testing.assert_close(ours @ weight.T, theirs @ neighbours_last(weight).T)


def test_scales_are_numbers_there_and_vectors_here():
    name = "proposal_generator.centernet_head.scales.0.scale"
    theirs = to_mmdet({name: torch.tensor([2.5])}).tensors
    assert_same(theirs, {"rpn_head.scales.0.scale": torch.tensor(2.5)})
    assert_same(from_mmdet(theirs).tensors, {name: torch.tensor([2.5])})
    # Released conversions keep the vector.
    assert_same(
        from_mmdet({"rpn_head.scales.0.scale": torch.tensor([2.5])}).tensors,
        {name: torch.tensor([2.5])},
    )


def small_values(manifest):
    """Tensors of a released architecture's names, kinds of shapes and dtypes, but narrow."""
    tensors = read_manifest(manifest)[1]
    shapes = {name: [min(size, 8) for size in zeros.shape] for name, zeros in tensors.items()}
    return {name: t.to(tensors[name].dtype) for name, t in distinct(shapes).items()}


@pytest.mark.parametrize(
    "manifest", ["boxsup_c2_r50", "boxsup_c2_swinb", "detic_dynamic_r50", "detic_dynamic_swinb"]
)
def test_round_trips_keep_every_bit_both_ways(manifest):
    ours = small_values(manifest)
    theirs, left_over = to_mmdet(ours)
    # Only the classifier of the ResNet's pretraining, which nothing uses, has no counterpart.
    assert all(name.startswith("backbone.bottom_up.base.fc.") for name in left_over)
    assert is_mmdet(theirs)
    assert not is_mmdet(ours)
    back = from_mmdet(theirs)
    assert back.left_over == ()
    assert_same(back.tensors | {name: ours[name] for name in left_over}, ours)
    assert_same(to_mmdet(back.tensors).tensors, theirs)


def test_left_over_names_are_reported():
    converted = to_mmdet({"roi_heads.box_predictor.0.cls_score.weight": torch.zeros(2)})
    assert converted == ({}, ("roi_heads.box_predictor.0.cls_score.weight",))
    assert from_mmdet({"rpn_head.rpn_conv.weight": torch.zeros(2)}).left_over == (
        "rpn_head.rpn_conv.weight",
    )
