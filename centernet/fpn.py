"""Feature pyramids with two levels on top of the coarsest output.

Shapes: B images, F channels of the pyramid.
"""

from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY
from detectron2.modeling.backbone import FPN, Backbone, build_resnet_backbone
from fvcore.nn import weight_init
from torch import Tensor, nn


class LastLevelP6P7FromP5(nn.Module):
    """P6 and P7 computed from the pyramid's *output* P5 (RetinaNet starts from C5)."""

    num_levels = 2
    in_feature = "p5"

    def __init__(self, channels: int):
        super().__init__()
        self.p6 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.p7 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        for conv in (self.p6, self.p7):
            weight_init.c2_xavier_fill(conv)

    def forward(self, p5: Tensor) -> list[Tensor]:
        """Return P6 (B, F, H/2, W/2) and P7 (B, F, H/4, W/4) from P5 (B, F, H, W)."""
        p6 = self.p6(p5)
        return [p6, self.p7(p6.relu())]


def build_fpn(cfg, bottom_up: Backbone, with_p6_p7: bool) -> FPN:
    """Return a feature pyramid on ``MODEL.FPN.IN_FEATURES`` of ``bottom_up``."""
    channels = cfg.MODEL.FPN.OUT_CHANNELS
    return FPN(
        bottom_up=bottom_up,
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=channels,
        norm=cfg.MODEL.FPN.NORM,
        top_block=LastLevelP6P7FromP5(channels) if with_p6_p7 else None,
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )


@BACKBONE_REGISTRY.register()
def build_p67_resnet_fpn_backbone(cfg, input_shape: ShapeSpec) -> FPN:
    """Return detectron2's ResNet under a pyramid P3-P7."""
    return build_fpn(cfg, build_resnet_backbone(cfg, input_shape), with_p6_p7=True)


@BACKBONE_REGISTRY.register()
def build_p35_resnet_fpn_backbone(cfg, input_shape: ShapeSpec) -> FPN:
    """Return detectron2's ResNet under a pyramid P3-P5."""
    return build_fpn(cfg, build_resnet_backbone(cfg, input_shape), with_p6_p7=False)
