import pytest
import torch

from detic.errors import InputError
from detic.modeling.backbone.plain_vit import PlainViT, is_plain_vit
from detic.modeling.backbone.timm import TimmBackbone


def test_families_of_plain_transformers():
    plain = [
        "vit_base_patch14_dinov2",
        "vit_base_patch16_dinov3",
        "vit_base_patch16_siglip_224",
        "deit3_small_patch16_224",
    ]
    assert all(map(is_plain_vit, plain))
    assert not any(map(is_plain_vit, ["resnet18", "convnext_tiny", "swin_tiny_patch4_window7_224"]))


@pytest.mark.parametrize("size", [(32, 64), (96, 32)])
def test_pyramid_has_strides_4_to_32_for_images_of_any_size(size):
    model = TimmBackbone(base_name="test_vit", out_levels=(2, 3, 4, 5)).eval()
    announced = model.output_shape()
    assert [shape.stride for shape in announced.values()] == [4, 8, 16, 32]
    maps = model(torch.zeros(1, 3, *size))
    for name, shape in announced.items():
        sides = [side // shape.stride for side in size]
        assert maps[name].shape == (1, shape.channels, *sides)


def test_map_of_stride_16_is_the_transformers_own():
    model = PlainViT("test_vit", (4,)).eval()
    images = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        tokens = model.vit.forward_features(images)[:, model.vit.num_prefix_tokens :]
        (found,) = model(images)
    torch.testing.assert_close(found, tokens.transpose(1, 2).unflatten(2, (2, 3)))


def test_patches_of_14_pixels_become_16():
    dinov2 = PlainViT("vit_small_patch14_dinov2", (4,))
    assert dinov2.vit.patch_embed.proj.weight.shape[-2:] == (16, 16)


@pytest.mark.parametrize("levels", [(3, 6), (1, 4), (2, 3)])
def test_levels_beyond_the_pyramid_or_finer_than_patches_alone_are_refused(levels):
    with pytest.raises(InputError, match=r"OUT_LEVELS is .*test_vit is a plain transformer"):
        TimmBackbone(base_name="test_vit", out_levels=levels)
