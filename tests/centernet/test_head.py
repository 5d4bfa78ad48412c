import pytest
import torch

from centernet.head import CenterNetHead


def head(**kwargs):
    options = {
        "in_channels": 32,
        "num_levels": 2,
        "num_classes": None,
        "with_agnostic_heatmap": True,
    } | kwargs
    return CenterNetHead(**options)


def test_proposals_alone_need_no_class_tower():
    names = {name.split(".")[0] for name in head().state_dict()}
    assert names == {"bbox_tower", "bbox_pred", "scales", "agn_hm"}


def test_heat_starts_at_its_prior():
    model = head(prior_prob=0.01)
    (output, _) = model([torch.zeros(1, 32, 2, 2)] * 2)
    torch.testing.assert_close(
        output.agnostic_logits.sigmoid(), torch.full((1, 1, 2, 2), 0.01), atol=1e-3, rtol=0
    )


def test_levels_share_weights_but_not_the_scale():
    model = head()
    with torch.no_grad():
        model.scales[1].scale.fill_(2.0)
    x = torch.randn(1, 32, 4, 4, generator=torch.Generator().manual_seed(0))
    fine, coarse = model([x, x])
    torch.testing.assert_close(coarse.ltrb, 2 * fine.ltrb)
    torch.testing.assert_close(coarse.agnostic_logits, fine.agnostic_logits)


def test_distances_are_not_negative():
    model = head()
    with torch.no_grad():
        model.bbox_pred.bias.fill_(-1.0)
    assert (model([torch.zeros(1, 32, 2, 2)] * 2)[0].ltrb == 0).all()


@pytest.mark.parametrize(("channels", "groups"), [(64, 32), (50, 25)])
def test_widths_that_32_does_not_divide_take_25_groups(channels, groups):
    assert head(in_channels=channels).bbox_tower[1].num_groups == groups


def test_class_heatmap_has_a_channel_per_class():
    model = head(num_classes=7, with_agnostic_heatmap=False, num_cls_convs=1)
    output = model([torch.zeros(1, 32, 2, 2)] * 2)[0]
    assert output.class_logits.shape == (1, 7, 2, 2)
    assert output.agnostic_logits is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_maps_are_single_precision_in_mixed_precision(dtype):
    module = head(num_classes=2, num_levels=1)
    torch.nn.init.constant_(module.agn_hm.bias, 9.0)
    with torch.autocast("cpu", dtype):
        (output,) = module([torch.zeros(1, 32, 4, 4)])
    assert output.ltrb.dtype == output.class_logits.dtype == torch.float32
    assert (output.agnostic_logits.sigmoid() < 1).all()  # 1 in half precision
