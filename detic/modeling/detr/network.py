"""Deformable DETR from images to queries with boxes.

The names of the parts are those of the released weights.

Shapes: B images, H x W pixels or cells, L levels, d width of the model.
"""

from collections.abc import Sequence

import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from torch import Tensor, nn

from detic.errors import InputError
from detic.modeling.detr.heads import build_box_heads, build_class_heads, class_logits
from detic.modeling.detr.levels import TokenLevels, join_levels
from detic.modeling.detr.position_encoding import PositionEncoding
from detic.modeling.detr.transformer import (
    Prediction,
    Transformed,
    Transformer,
    TransformerParams,
)
from detic.modeling.roi_heads.classifier import ClassifierParams
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier

_GROUPS = 32  # of the normalisation of projected maps


class NamedMaps(nn.Module):
    """A backbone of Detectron2, whose maps come in the order of their names."""

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor, dtype: torch.dtype | None = None) -> list[Tensor]:
        """Return float32 maps of images (B, 3, H, W), computed in mixed precision in ``dtype``."""
        if dtype is None:
            maps = self.backbone(images)
        else:
            with torch.autocast(images.device.type, dtype=dtype):
                maps = {k: x.float() for k, x in self.backbone(images.to(dtype)).items()}
        return [maps[name] for name in sorted(maps)]


class DetrNetwork(nn.Module):
    """Backbone, transformer and heads.

    Args:
        backbone: its maps, in the order of their names, are the finest levels.
        classifier: of the queries.
        params: the sizes of the transformer.

    Raises:
        InputError: the number of levels does not go with the backbone.
    """

    def __init__(self, backbone: Backbone, classifier: ClassifierParams, params: TransformerParams):
        super().__init__()
        width = params.layer.width
        self.transformer = Transformer(params)
        self.class_embed = build_class_heads(classifier, params)
        self.bbox_embed = build_box_heads(params)
        # The released files hold the heads twice.
        if params.refine_boxes:
            self.transformer.decoder.bbox_embed = self.bbox_embed
        if params.two_stage:
            self.transformer.decoder.class_embed = self.class_embed
        self.input_proj = _projections(backbone.output_shape(), params.layer.num_levels, width)
        self.backbone = nn.ModuleList([NamedMaps(backbone), PositionEncoding(width)])
        self.query_embed = None if params.two_stage else nn.Embedding(params.num_queries, 2 * width)
        self.num_classes = classifier.num_classes
        self.num_layers = params.decoder_layers

    def forward(
        self, images: Tensor, padding: Tensor, backbone_dtype: torch.dtype | None = None
    ) -> Transformed:
        """Return the queries after each layer, and the proposals they come from.

        Args:
            images: (B, 3, H, W), normalised.
            padding: (B, H, W) bool, True where there is no image.
            backbone_dtype: of automatic mixed precision; None: float32.
        """
        levels = self._levels(self.maps(images, backbone_dtype), padding)
        learned = None if self.query_embed is None else self.query_embed.weight
        return self.transformer(levels, learned, self._classify_proposals, self.bbox_embed)

    def predictions(self, transformed: Transformed) -> list[Prediction]:
        """Return classes and boxes after each layer."""
        return [
            Prediction(self._class_logits(i, queries.content), queries.boxes)
            for i, queries in enumerate(transformed.layers)
        ]

    @property
    def maps(self) -> NamedMaps:
        """What makes maps of images."""
        maps = self.backbone[0]
        assert isinstance(maps, NamedMaps)
        return maps

    @property
    def classifier(self) -> ZeroShotClassifier | nn.Linear:
        """That of the last layer, which detections come from; of a closed model a linear layer."""
        return self._classifier(self.num_layers - 1)

    def _classifier(self, place: int) -> ZeroShotClassifier | nn.Linear:
        head = self.class_embed[place]
        assert isinstance(head, ZeroShotClassifier | nn.Linear)
        return head

    def _class_logits(self, place: int, x: Tensor) -> Tensor:
        return class_logits(self._classifier(place), x, self.num_classes)

    def _classify_proposals(self, tokens: Tensor) -> Tensor:
        return self._class_logits(-1, tokens)

    def _levels(self, maps: Sequence[Tensor], padding: Tensor) -> TokenLevels:
        projected = [
            project(x) for project, x in zip(self.input_proj, maps, strict=False)
        ]  # (B, d, H, W)
        x = maps[-1]  # the first of the further levels reads the map before its projection
        for project in self.input_proj[len(maps) :]:
            x = project(x)
            projected.append(x)
        encode = self.backbone[1]
        assert isinstance(encode, PositionEncoding)
        return join_levels(projected, padding, encode, self.transformer.level_embed)


def _projections(shapes: dict[str, ShapeSpec], num_levels: int, width: int) -> nn.ModuleList:
    """Return what makes the levels: of each map, then of halved maps.

    Raises:
        InputError: there are more maps than levels.
    """
    channels = [shapes[name].channels for name in sorted(shapes)]
    if len(channels) > num_levels:
        raise InputError(
            f"MODEL.DETR.NUM_FEATURE_LEVELS is {num_levels}, but the backbone gives the maps "
            f"{', '.join(sorted(shapes))}; set it to {len(channels)} or more"
        )
    projections = [_normalised(nn.Conv2d(c, width, 1), width) for c in channels]
    inputs = channels[-1]
    while len(projections) < num_levels:
        halving = nn.Conv2d(inputs, width, 3, stride=2, padding=1)
        projections.append(_normalised(halving, width))
        inputs = width
    return nn.ModuleList(projections)


def _normalised(convolution: nn.Conv2d, width: int) -> nn.Sequential:
    nn.init.xavier_uniform_(convolution.weight)
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return nn.Sequential(convolution, nn.GroupNorm(_GROUPS, width))
