import pytest

from detic.modeling.backbone.depth import depths
from detic.modeling.backbone.timm import TimmBackbone


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["stem.conv1.w", "res2.0.w", "res3.0.w"], [0, 1, 2]),  # Detectron2's ResNets
        (["conv1.w", "layer1.0.w", "layer4.0.w", "fc.w"], [0, 1, 2, 3]),
        (["stem_0.w", "stages_0.blocks.3.w", "stages_1.downsample.0.w"], [0, 1, 2]),
        (["patch_embed.w", "layers.0.blocks.1.w", "layers.1.blocks.0.w", "norm1.w"], [0, 1, 2, 3]),
        (["cls_token", "norm_pre.w", "blocks.0.w", "blocks.11.w", "norm.w"], [0, 0, 1, 2, 3]),
        (["stem.w", "layer1.w", "transition1.w", "layer2.w"], [0, 1, 1, 2]),
        (["conv1.w", "layer1.0.w", "transition1.0.w", "stage2.0.w", "stage3.0.w"], [0, 1, 1, 2, 3]),
        (["conv.w", "head.w"], [0, 0]),  # no stages
        ([], []),
    ],
)
def test_depths_follow_the_order_of_running(names, expected):
    found = depths(names)
    assert list(found.by_name.values()) == expected
    assert found.top >= max(expected, default=0)
    assert found.has_stages == any(expected)


@pytest.mark.parametrize(
    ("name", "levels", "top"),
    [
        ("resnet18", (5,), 5),
        ("convnext_atto", (4,), 5),
        ("mobilenetv4_conv_small_035", (5,), 6),
        ("regnetx_002", (5,), 5),
        ("test_vit", (4,), 7),
    ],
)
def test_backbones_of_timm_have_a_depth_per_stage_or_block(name, levels, top):
    base = TimmBackbone(base_name=name, out_levels=levels).base
    assert depths(n for n, _ in base.named_parameters()).top == top
