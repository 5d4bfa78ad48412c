"""Models of timm, and those that recipes name beside them. Importing loads timm.

Shapes: B images, C channels, C_l channels of level l.
"""

from collections.abc import Callable, Sequence
from typing import Any

import timm
import torch
from detectron2.layers import FrozenBatchNorm2d
from timm.layers import BatchNormAct2d, LayerNorm2d, freeze_batch_norm_2d
from timm.models.resnet import Bottleneck, ResNet
from torch import Tensor, nn

from detic.errors import InputError
from detic.modeling.backbone import tiny_resnet  # noqa: F401  its name is in timm's registry then
from detic.modeling.backbone.plain_vit import PlainViT, is_plain_vit

# The released ResNet-50 was pretrained on these classes; its files hold the unused classifier.
_RESNET50_IN21K = "resnet50_in21k"
_IN21K_CLASSES = 11221

# Names of recipes that timm spells otherwise.
_RELEASED_CONVNEXT = "convnext_tiny_21k"
_TIMM_NAMES = {_RELEASED_CONVNEXT: "convnext_tiny.fb_in22k"}


class ResNet50In21k(ResNet):
    """timm's ResNet-50 returning intermediate maps; level 1 is the pooled stem."""

    def __init__(self, out_levels: Sequence[int]):
        super().__init__(Bottleneck, (3, 4, 6, 3), num_classes=_IN21K_CLASSES)
        self.out_levels = tuple(out_levels)
        self.level_shapes = {1: (64, 4), 2: (256, 4), 3: (512, 8), 4: (1024, 16), 5: (2048, 32)}

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps (B, C_l, H / stride_l, W / stride_l) of images (B, 3, H, W)."""
        x = self.maxpool(self.act1(self.bn1(self.conv1(x))))
        maps = {1: x}
        for level, stage in enumerate((self.layer1, self.layer2, self.layer3, self.layer4), 2):
            maps[level] = x = stage(x)
        return [maps[level] for level in self.out_levels]


class UnbiasedLayerNorm2d(LayerNorm2d):
    """Layer norm over channels that divides the squares by C - 1 instead of C."""

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, C, H, W) normalised in each pixel."""
        variance, mean = torch.var_mean(x.float(), dim=1, correction=1, keepdim=True)
        normalised = (x - mean) * torch.rsqrt(variance + self.eps)
        weight, bias = (p[:, None, None] for p in (self.weight, self.bias))
        return (normalised * weight + bias).to(x.dtype)


def create(
    name: str, out_levels: Sequence[int], pretrained: bool = False
) -> tuple[nn.Module, list[tuple[int, int]]]:
    """Return a model that returns a list of maps, and their (channels, stride in pixels)."""
    if name == _RESNET50_IN21K:
        if pretrained:
            raise InputError(
                f"timm has no weights of {name}; put the MIIL file into MODEL.WEIGHTS instead"
            )
        resnet = ResNet50In21k(out_levels)
        return resnet, [resnet.level_shapes[level] for level in out_levels]
    timm_name = _TIMM_NAMES.get(name, name)
    if not timm.is_model(timm_name):
        similar = timm.list_models(f"*{name.split('_')[0]}*")[:5]
        raise InputError(
            f"unknown MODEL.TIMM.BASE_NAME {name!r}; "
            f"timm knows {', '.join(similar) or 'no similar model: see timm.list_models()'}"
        )
    if is_plain_vit(timm_name):
        vit = PlainViT(timm_name, out_levels, pretrained)
        return vit, vit.shapes
    model = _create_pyramidal(timm_name, out_levels, pretrained)
    if name == _RELEASED_CONVNEXT:
        _unbias_downsampling(model)
    info: Any = model.feature_info
    return model, list(zip(info.channels(), info.reduction(), strict=True))


def pixel_statistics(name: str) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation, RGB in [0, 255], of the images of a model's weights."""
    known = timm.get_pretrained_cfg(_TIMM_NAMES.get(name, name))
    if known is None or len(known.mean) != 3:
        raise InputError(
            f"timm knows no mean and standard deviation of {name}: set MODEL.PIXEL_MEAN and "
            "MODEL.PIXEL_STD, and MODEL.TIMM.USE_PIXEL_STATISTICS to False"
        )
    return [255 * x for x in known.mean], [255 * x for x in known.std]


def fix_batch_norms(model: nn.Module, is_fixed: Callable[[str], bool]) -> None:
    """Turn batch norms, those whose name ``is_fixed`` tells, into fixed affine maps."""
    norms = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    for name, norm in norms:
        if is_fixed(name):
            model.set_submodule(name, _fixed(norm))


def _fixed(norm: nn.BatchNorm2d) -> nn.Module:
    if isinstance(norm, BatchNormAct2d):
        return freeze_batch_norm_2d(norm)  # Detectron2 would lose the activation inside
    return FrozenBatchNorm2d.convert_frozen_batchnorm(norm)


def _create_pyramidal(name: str, out_levels: Sequence[int], pretrained: bool) -> nn.Module:
    options: dict[str, Any] = {}
    if name.startswith("convnext"):
        options["drop_path_rate"] = 0.2 if "tiny" in name or "small" in name else 0.3
    try:
        return timm.create_model(
            name,
            pretrained=pretrained,
            features_only=True,
            out_indices=[level - 1 for level in out_levels],
            **options,
        )
    except (AssertionError, IndexError) as error:
        raise InputError(
            f"{name} of timm has no maps {list(out_levels)} ({error}); look at "
            "MODEL.FPN.IN_FEATURES and MODEL.TIMM.OUT_LEVELS"
        ) from error


def _unbias_downsampling(model: nn.Module) -> None:
    """Give the norms between the stages of a ConvNeXt the variance that its weights know.

    The released detectors were trained with a timm whose layer norm took the unbiased variance of
    maps that are not contiguous, which the outputs of blocks are. The stem's are.
    """
    for stage in (1, 2, 3):
        downsample: Any = model.get_submodule(f"stages_{stage}.downsample")
        biased = downsample[0]
        downsample[0] = UnbiasedLayerNorm2d(biased.weight.numel(), eps=biased.eps)
        downsample[0].load_state_dict(biased.state_dict())
