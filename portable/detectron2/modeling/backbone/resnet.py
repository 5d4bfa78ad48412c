"""ResNet: a stem and stages, named res2 to res5.

Source: Deep Residual Learning for Image Recognition (arXiv 1512.03385). Shapes: B images,
H x W pixels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.layers import CNNBlockBase, Conv2d, ShapeSpec, get_norm
from fvcore.nn.weight_init import c2_msra_fill
from torch import nn

from .backbone import Backbone
from .build import BACKBONE_REGISTRY

ResNetBlockBase = CNNBlockBase  # the name in earlier versions

_BLOCKS_PER_STAGE = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
_OF_BASIC_BLOCKS = (18, 34)


class BasicStem(CNNBlockBase):
    """Convolution 7x7 and max pooling, each of stride 2."""

    def __init__(self, in_channels: int = 3, out_channels: int = 64, norm: str = "BN"):
        super().__init__(in_channels, out_channels, 4)
        self.conv1 = _conv(in_channels, out_channels, 7, norm, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, out_channels, H / 4, W / 4) from (B, in_channels, H, W)."""
        return F.max_pool2d(F.relu(self.conv1(x)), kernel_size=3, stride=2, padding=1)


class BasicBlock(CNNBlockBase):
    """Two convolutions 3x3 and a shortcut, the block of ResNet-18 and ResNet-34."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, norm: str = "BN"):
        super().__init__(in_channels, out_channels, stride)
        self.shortcut = None
        if in_channels != out_channels:
            self.shortcut = _conv(in_channels, out_channels, 1, norm, stride)
        self.conv1 = _conv(in_channels, out_channels, 3, norm, stride)
        self.conv2 = _conv(out_channels, out_channels, 3, norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, out_channels, H / stride, W / stride) from (B, in_channels, H, W)."""
        residual = self.conv2(F.relu(self.conv1(x)))
        return F.relu(residual + (x if self.shortcut is None else self.shortcut(x)))


class BottleneckBlock(CNNBlockBase):
    """Convolutions 1x1, 3x3, 1x1 and a shortcut.

    Args:
        bottleneck_channels, num_groups, dilation: of the 3x3 convolution.
        norm: see `get_norm`.
        stride_in_1x1: stride in the first 1x1 convolution (weights of MSRA) instead of in the 3x3
            one (weights of torchvision).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        bottleneck_channels: int,
        stride: int = 1,
        num_groups: int = 1,
        norm: str = "BN",
        stride_in_1x1: bool = False,
        dilation: int = 1,
    ):
        super().__init__(in_channels, out_channels, stride)
        width = bottleneck_channels
        stride_1x1, stride_3x3 = (stride, 1) if stride_in_1x1 else (1, stride)
        self.shortcut = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = _conv(in_channels, out_channels, 1, norm, stride)
        self.conv1 = _conv(in_channels, width, 1, norm, stride_1x1)
        self.conv2 = _conv(width, width, 3, norm, stride_3x3, num_groups, dilation)
        self.conv3 = _conv(width, out_channels, 1, norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, out_channels, H / stride, W / stride) from (B, in_channels, H, W)."""
        residual = self.conv3(F.relu(self.conv2(F.relu(self.conv1(x)))))
        return F.relu(residual + self.shortcut(x))


def _conv(
    in_channels: int,
    out_channels: int,
    side: int,
    norm: str,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
) -> Conv2d:
    """Return a convolution without bias that keeps the size (up to its stride), and its norm."""
    conv = Conv2d(
        in_channels,
        out_channels,
        side,
        stride=stride,
        padding=dilation * (side // 2),
        dilation=dilation,
        groups=groups,
        bias=False,
        norm=get_norm(norm, out_channels),
    )
    c2_msra_fill(conv)
    return conv


class ResNet(Backbone):
    """A stem and stages of blocks.

    Args:
        stages: blocks of each stage; they become the submodules res2, res3, ... up to the last one
            in `out_features`.
        num_classes: of a linear classifier on the mean of the last stage; None for no classifier.
        out_features: names to return, of "stem", "res2", ... and "linear", the logits of the
            classifier; by default the last of them.
        freeze_at: see `freeze`.

    Attributes:
        stages, stage_names: the stages, res2 first, and their names.
    """

    def __init__(
        self,
        stem: nn.Module,
        stages: Sequence[Sequence[CNNBlockBase]],
        num_classes: int | None = None,
        out_features: Sequence[str] | None = None,
        freeze_at: int = 0,
    ):
        super().__init__()
        names = ["stem", *(f"res{k}" for k, _ in enumerate(stages, start=2))]
        known = names if num_classes is None else [*names, "linear"]
        self._out_features = list(out_features or known[-1:])
        unknown = [name for name in self._out_features if name not in known]
        if unknown:
            raise ValueError(f"unknown ResNet features {unknown}; choose from {known}")
        last = max(min(known.index(name), len(stages)) for name in self._out_features)
        self.num_classes = num_classes
        self.stem = stem
        self.stage_names = tuple(names[1 : last + 1])
        self._out_feature_strides = {"stem": stem.stride}
        self._out_feature_channels = {"stem": stem.out_channels}
        stride = stem.stride
        for name, blocks in zip(self.stage_names, stages[:last], strict=True):
            self.add_module(name, nn.Sequential(*blocks))
            for block in blocks:
                stride *= block.stride
            self._out_feature_strides[name] = stride
            self._out_feature_channels[name] = blocks[-1].out_channels
        self.stages = [getattr(self, name) for name in self.stage_names]
        if num_classes is not None:
            self.linear = nn.Linear(stages[-1][-1].out_channels, num_classes)
            nn.init.normal_(self.linear.weight, std=0.01)  # as in arXiv 1706.02677, section 5.1
        self.freeze(freeze_at)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the wanted features of images (B, 3, H, W) by name; "linear" is (B, classes)."""
        x = self.stem(x)
        outputs = {"stem": x}
        for name, stage in zip(self.stage_names, self.stages, strict=True):
            x = outputs[name] = stage(x)
        if "linear" in self._out_features:
            outputs["linear"] = self.linear(x.mean(dim=(2, 3)))
        return {name: outputs[name] for name in self._out_features}

    def freeze(self, freeze_at: int = 0) -> "ResNet":
        """Return self, with the first parts fixed: 1 is the stem, 2 stem and res2, and so on."""
        parts = [[self.stem], *self.stages]
        for part in parts[: max(freeze_at, 0)]:
            for block in part:
                block.freeze()
        return self

    @staticmethod
    def make_stage(
        block_class: type[CNNBlockBase],
        num_blocks: int,
        *,
        in_channels: int,
        out_channels: int,
        **kwargs,
    ) -> list[CNNBlockBase]:
        """Return the blocks of one stage; only the first takes `in_channels`.

        `kwargs` are arguments of every block; those called `<name>_per_block` are lists with the
        argument `<name>` of each block.
        """
        suffix = "_per_block"
        blocks = []
        for k in range(num_blocks):
            arguments = {
                key.removesuffix(suffix): value[k] if key.endswith(suffix) else value
                for key, value in kwargs.items()
            }
            block = block_class(in_channels=in_channels, out_channels=out_channels, **arguments)
            blocks.append(block)
            in_channels = out_channels
        return blocks

    @staticmethod
    def make_default_stages(
        depth: int, block_class: type[CNNBlockBase] | None = None, **kwargs
    ) -> list[list[CNNBlockBase]]:
        """Return the stages of ResNet-18, -34, -50, -101 or -152, for a stem of 64 channels.

        `block_class` replaces the usual block; `kwargs` are further arguments of every block.
        """
        basic = depth in _OF_BASIC_BLOCKS
        if block_class is None:
            block_class = BasicBlock if basic else BottleneckBlock
        stages, in_channels, width = [], 64, 64
        for index, num_blocks in enumerate(_BLOCKS_PER_STAGE[depth]):
            out_channels = width if basic else 4 * width
            arguments = {"stride_per_block": [1 if index == 0 else 2] + [1] * (num_blocks - 1)}
            if not basic:
                arguments["bottleneck_channels"] = width
            stage = ResNet.make_stage(
                block_class,
                num_blocks,
                in_channels=in_channels,
                out_channels=out_channels,
                **arguments,
                **kwargs,
            )
            stages.append(stage)
            in_channels, width = out_channels, 2 * width
        return stages


make_stage = ResNet.make_stage  # the name in earlier versions


@BACKBONE_REGISTRY.register()
def build_resnet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> ResNet:
    """Return the ResNet that `MODEL.RESNETS` describes."""
    resnets = cfg.MODEL.RESNETS
    if resnets.DEPTH not in _BLOCKS_PER_STAGE or any(resnets.DEFORM_ON_PER_STAGE):
        raise ValueError(
            f"MODEL.RESNETS.DEPTH is {resnets.DEPTH} and DEFORM_ON_PER_STAGE "
            f"{resnets.DEFORM_ON_PER_STAGE}; here the depth is one of {list(_BLOCKS_PER_STAGE)} and "
            "no stage deformable, for others install upstream detectron2"
        )
    stem = BasicStem(input_shape.channels, resnets.STEM_OUT_CHANNELS, resnets.NORM)
    in_channels, out_channels = resnets.STEM_OUT_CHANNELS, resnets.RES2_OUT_CHANNELS
    width = resnets.NUM_GROUPS * resnets.WIDTH_PER_GROUP
    basic = resnets.DEPTH in _OF_BASIC_BLOCKS
    if basic:
        _check_basic(resnets)
    stages = []
    for index, num_blocks in enumerate(_BLOCKS_PER_STAGE[resnets.DEPTH]):
        dilation = resnets.RES5_DILATION if index == 3 else 1
        first_stride = 1 if index == 0 or dilation > 1 else 2
        arguments = {
            "stride_per_block": [first_stride] + [1] * (num_blocks - 1),
            "norm": resnets.NORM,
        }
        if not basic:
            arguments.update(
                bottleneck_channels=width,
                num_groups=resnets.NUM_GROUPS,
                stride_in_1x1=resnets.STRIDE_IN_1X1,
                dilation=dilation,
            )
        stage = ResNet.make_stage(
            BasicBlock if basic else BottleneckBlock,
            num_blocks,
            in_channels=in_channels,
            out_channels=out_channels,
            **arguments,
        )
        stages.append(stage)
        in_channels, out_channels, width = out_channels, 2 * out_channels, 2 * width
    return ResNet(
        stem,
        stages,
        out_features=resnets.OUT_FEATURES,
        freeze_at=cfg.MODEL.BACKBONE.FREEZE_AT,
    )


def _check_basic(resnets: CfgNode) -> None:
    """Refuse options of `MODEL.RESNETS` that ResNet-18 and -34 do not have."""
    for key, expected in (("RES2_OUT_CHANNELS", 64), ("RES5_DILATION", 1), ("NUM_GROUPS", 1)):
        if resnets[key] != expected:
            raise ValueError(
                f"MODEL.RESNETS.{key} is {resnets[key]}, but ResNet-{resnets.DEPTH} needs {expected}"
            )
