"""Backbones from timm, alone or under a feature pyramid.

Shapes: B images, F_l channels of level l.
"""

from collections.abc import Sequence

from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from detectron2.modeling.backbone import FPN
from torch import Tensor, nn

from centernet.fpn import build_fpn
from detic.compiler_imports import compiler_put_off
from detic.errors import InputError
from detic.modeling.backbone.depth import depths


class TimmBackbone(Backbone):
    """Feature maps of a timm model, named ``layer{level}``.

    Args:
        base_name: a timm model, or ``resnet50_in21k``. Weights are random.
        out_levels: numbers of the maps to return; 1 is the model's finest. Plain transformers
            have the levels 2 to 5.
        norm: "FrozenBN" turns batch normalisation into fixed affine maps; "" keeps it.
        freeze_at: from 1 on the stem is fixed, from 2 on the first stage (of plain transformers:
            block) too, and so on, their batch normalisation included.

    Raises:
        InputError: the model is not known, has not these maps, or no stages that could be frozen.
    """

    def __init__(
        self,
        *,
        base_name: str,
        out_levels: Sequence[int] = (3, 4, 5),
        norm: str = "FrozenBN",
        freeze_at: int = 0,
    ):
        super().__init__()
        self.base_name = base_name
        self.out_levels = tuple(out_levels)
        base, shapes = _create(base_name, self.out_levels)
        if norm not in ("", "FrozenBN"):
            raise InputError(f"unknown MODEL.TIMM.NORM {norm!r}; choose FrozenBN or leave it empty")
        _freeze(base, base_name, freeze_at, all_norms=norm == "FrozenBN")
        self.base = base
        self._output_shape = {
            f"layer{level}": ShapeSpec(channels=channels, stride=stride)
            for level, (channels, stride) in zip(self.out_levels, shapes, strict=True)
        }

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return maps (B, F_l, H / stride, W / stride) by name for images (B, 3, H, W)."""
        return dict(zip(self._output_shape, self.base(images), strict=True))

    def output_shape(self) -> dict[str, ShapeSpec]:
        return self._output_shape

    @property
    def size_divisibility(self) -> int:
        return max(shape.stride for shape in self._output_shape.values())

    def pixel_statistics(self, image_format: str) -> tuple[list[float], list[float]]:
        """Return mean and standard deviation by channel of the images that the weights know.

        Args:
            image_format: order of the channels, RGB or BGR.
        """
        from detic.modeling.backbone.timm_models import pixel_statistics

        mean, std = pixel_statistics(self.base_name)
        return (mean, std) if image_format == "RGB" else (mean[::-1], std[::-1])

    def load_pretrained(self) -> None:
        """Load timm's pretrained weights, downloading them on first use."""
        donor, _ = _create(self.base_name, self.out_levels, pretrained=True)
        self.base.load_state_dict(donor.state_dict())


@BACKBONE_REGISTRY.register()
def build_timm_backbone(cfg, input_shape: ShapeSpec) -> TimmBackbone:
    """Return the timm model named by ``MODEL.TIMM``."""
    node = cfg.MODEL.TIMM
    return TimmBackbone(
        base_name=node.BASE_NAME,
        out_levels=node.OUT_LEVELS,
        norm=node.NORM,
        freeze_at=node.FREEZE_AT,
    )


@BACKBONE_REGISTRY.register()
def build_p67_timm_fpn_backbone(cfg, input_shape: ShapeSpec) -> FPN:
    """Return the timm model under a pyramid P3-P7."""
    return build_fpn(cfg, build_timm_backbone(cfg, input_shape), with_p6_p7=True)


@BACKBONE_REGISTRY.register()
def build_p35_timm_fpn_backbone(cfg, input_shape: ShapeSpec) -> FPN:
    """Return the timm model under a pyramid P3-P5."""
    return build_fpn(cfg, build_timm_backbone(cfg, input_shape), with_p6_p7=False)


def pixel_statistics(cfg, backbone: nn.Module) -> dict[str, Sequence[float]]:
    """Return ``pixel_mean`` and ``pixel_std``, by channel, of the images of a detector.

    They are those of the recipe, or what the weights of a timm backbone know.

    Raises:
        InputError: the backbone, or the model of timm, has none.
    """
    if not cfg.MODEL.TIMM.get("USE_PIXEL_STATISTICS", False):
        return {"pixel_mean": cfg.MODEL.PIXEL_MEAN, "pixel_std": cfg.MODEL.PIXEL_STD}
    for module in backbone.modules():
        if isinstance(module, TimmBackbone):
            mean, std = module.pixel_statistics(cfg.INPUT.FORMAT)
            return {"pixel_mean": mean, "pixel_std": std}
    raise InputError(
        "MODEL.TIMM.USE_PIXEL_STATISTICS True needs a backbone of timm: choose one in "
        "MODEL.BACKBONE.NAME, or set MODEL.PIXEL_MEAN and MODEL.PIXEL_STD"
    )


def _freeze(base: nn.Module, name: str, freeze_at: int, all_norms: bool) -> None:
    """Fix the parameters and norms of the first stages of a model, or the norms of all."""
    from detic.modeling.backbone.timm_models import fix_batch_norms

    found = depths(n for n, _ in base.named_parameters())
    if freeze_at > 0 and not found.has_stages:
        raise InputError(
            f"MODEL.TIMM.FREEZE_AT is {freeze_at}, but the names of the parameters of {name} tell no "
            "stages; set it to 0 or choose another MODEL.TIMM.BASE_NAME"
        )
    frozen = {n for n, depth in found.by_name.items() if depth < freeze_at}
    for n, parameter in base.named_parameters():
        parameter.requires_grad_(n not in frozen)
    fix_batch_norms(base, lambda norm: all_norms or f"{norm}.weight" in frozen)


def _create(
    name: str, out_levels: Sequence[int], pretrained: bool = False
) -> tuple[nn.Module, list[tuple[int, int]]]:
    """Return a model that returns a list of maps, and their (channels, stride in pixels)."""
    with compiler_put_off():  # timm is loaded for the recipes that use it
        from detic.modeling.backbone.timm_models import create
    return create(name, out_levels, pretrained)
