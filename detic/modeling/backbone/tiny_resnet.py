"""The tiny backbone of the embedded benchmark, by name in timm's registry."""

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.resnet import BasicBlock, ResNet

BACKBONE_NAME = "resnet10t_shapes"

# timm asks every model for a description of its weights; here it says that there are none.
default_cfgs = generate_default_cfgs(
    {BACKBONE_NAME: {"input_size": (3, 128, 128), "num_classes": 1000, "classifier": "fc"}}
)


@register_model
def resnet10t_shapes(pretrained: bool = False, **options) -> ResNet:
    """Return timm's ResNet-10-T with half the stem and narrow stages, 0.6 M parameters.

    Channels are 32, 64, 96 and 160 at strides 4, 8, 16 and 32.

    Args:
        pretrained: must be false; the weights come with the benchmark's checkpoints.
        options: further arguments of ``timm.models.resnet.ResNet``.
    """
    return build_model_with_cfg(
        ResNet,
        BACKBONE_NAME,
        pretrained,
        block=BasicBlock,
        layers=(1, 1, 1, 1),
        channels=(32, 64, 96, 160),
        stem_width=16,
        stem_type="deep_tiered",
        avg_down=True,
        **options,
    )
