"""ResNet: a stem and stages of residual blocks, named res2 to res5.

Source: Deep Residual Learning for Image Recognition (arXiv 1512.03385).
"""

from collections.abc import Sequence

import torch
from detectron2.config import CfgNode
from detectron2.layers import CNNBlockBase, ShapeSpec
from torch import nn

from .backbone import Backbone
from .build import BACKBONE_REGISTRY
from .resnet_blocks import BasicBlock, BasicStem, BottleneckBlock

__all__ = ["BasicBlock", "BasicStem", "BottleneckBlock", "ResNet", "build_resnet_backbone"]

BLOCKS_PER_STAGE = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
BASIC_BLOCK_DEPTHS = (18, 34)
# What the blocks of those depths cannot vary.
BASIC_BLOCK_CONFIG = {"RES2_OUT_CHANNELS": 64, "RES5_DILATION": 1, "NUM_GROUPS": 1}


class ResNet(Backbone):
    """A stem and stages of blocks, as the backbone of a detector (no classifier).

    Args:
        stem: first block; it has `stride` and `out_channels`.
        stages: blocks of each stage; they become the submodules res2, res3, ... up to the last one
            in `out_features`.
        num_classes: must be None; there is no classifier.
        out_features: names to return, of "stem", "res2", ...; by default the last stage.
        freeze_at: see `freeze`.
    """

    def __init__(
        self,
        stem: nn.Module,
        stages: Sequence[Sequence[CNNBlockBase]],
        num_classes: None = None,
        out_features: Sequence[str] | None = None,
        freeze_at: int = 0,
    ):
        super().__init__()
        if num_classes is not None:
            raise ValueError(f"this ResNet has no classifier; leave out num_classes {num_classes}")
        names = ["stem", *(f"res{k}" for k, _ in enumerate(stages, start=2))]
        self._out_features = list(out_features or names[-1:])
        unknown = [name for name in self._out_features if name not in names]
        if unknown:
            raise ValueError(f"unknown ResNet features {unknown}; choose from {names}")
        last = max(names.index(name) for name in self._out_features)
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
        self.freeze(freeze_at)

    @property
    def stages(self) -> list[nn.Sequential]:
        """The stages, res2 first."""
        return [getattr(self, name) for name in self.stage_names]

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Returns the wanted features of images (B, 3, H, W) by name."""
        x = self.stem(x)
        outputs = {"stem": x}
        for name, stage in zip(self.stage_names, self.stages, strict=True):
            x = outputs[name] = stage(x)
        return {name: outputs[name] for name in self._out_features}

    def freeze(self, freeze_at: int = 0) -> "ResNet":
        """Returns self, with the first stages fixed: no gradient, frozen BatchNorm.

        Args:
            freeze_at: 0 for nothing, 1 for the stem, 2 for stem and res2, and so on.
        """
        if freeze_at >= 1:
            self.stem.freeze()
        for stage in self.stages[: max(0, freeze_at - 1)]:
            for block in stage:
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
        """Returns the blocks of one stage; only the first takes `in_channels`.

        Args:
            block_class: called with `in_channels`, `out_channels` and the further arguments.
            num_blocks: how many.
            in_channels, out_channels: of the stage.
            kwargs: arguments of every block; those called `<name>_per_block` are lists with the
                argument `<name>` of each block.
        """
        suffix = "_per_block"
        varying = {key: values for key, values in kwargs.items() if key.endswith(suffix)}
        shared = {key: value for key, value in kwargs.items() if key not in varying}
        for key, values in varying.items():
            if len(values) != num_blocks:
                raise ValueError(f"'{key}' has {len(values)} values for {num_blocks} blocks")
        blocks = []
        for k in range(num_blocks):
            own = {key.removesuffix(suffix): values[k] for key, values in varying.items()}
            channels = {"in_channels": in_channels, "out_channels": out_channels}
            blocks.append(block_class(**channels, **shared, **own))
            in_channels = out_channels
        return blocks


@BACKBONE_REGISTRY.register()
def build_resnet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> ResNet:
    """Returns the ResNet that `MODEL.RESNETS` describes."""
    resnets = cfg.MODEL.RESNETS
    _check_resnet_config(resnets)
    stem = BasicStem(input_shape.channels, resnets.STEM_OUT_CHANNELS, resnets.NORM)
    in_channels, out_channels = resnets.STEM_OUT_CHANNELS, resnets.RES2_OUT_CHANNELS
    stages = []
    for index, num_blocks in enumerate(BLOCKS_PER_STAGE[resnets.DEPTH]):
        dilation = resnets.RES5_DILATION if index == 3 else 1
        first_stride = 1 if index == 0 or dilation > 1 else 2
        stage = ResNet.make_stage(
            num_blocks=num_blocks,
            in_channels=in_channels,
            out_channels=out_channels,
            stride_per_block=[first_stride] + [1] * (num_blocks - 1),
            norm=resnets.NORM,
            **_block_arguments(resnets, scale=2**index, dilation=dilation),
        )
        stages.append(stage)
        in_channels, out_channels = out_channels, 2 * out_channels
    freeze_at = cfg.MODEL.BACKBONE.FREEZE_AT
    return ResNet(stem, stages, out_features=resnets.OUT_FEATURES, freeze_at=freeze_at)


def _block_arguments(resnets: CfgNode, scale: int, dilation: int) -> dict:
    """Returns the block class of a ResNet and the arguments that only this class has."""
    if resnets.DEPTH in BASIC_BLOCK_DEPTHS:
        return {"block_class": BasicBlock}
    return {
        "block_class": BottleneckBlock,
        "bottleneck_channels": resnets.NUM_GROUPS * resnets.WIDTH_PER_GROUP * scale,
        "num_groups": resnets.NUM_GROUPS,
        "stride_in_1x1": resnets.STRIDE_IN_1X1,
        "dilation": dilation,
    }


def _check_resnet_config(resnets: CfgNode) -> None:
    depth = resnets.DEPTH
    if depth not in BLOCKS_PER_STAGE:
        raise ValueError(f"MODEL.RESNETS.DEPTH is {depth}; choose from {list(BLOCKS_PER_STAGE)}")
    if any(resnets.DEFORM_ON_PER_STAGE):
        raise ValueError(
            "MODEL.RESNETS.DEFORM_ON_PER_STAGE needs a compiled operator that this distribution "
            "does not have; set it to False for every stage or install upstream detectron2"
        )
    for key, value in BASIC_BLOCK_CONFIG.items():
        if depth in BASIC_BLOCK_DEPTHS and resnets[key] != value:
            raise ValueError(f"ResNet-{depth} needs RESNETS.{key} {value}, got {resnets[key]}")
