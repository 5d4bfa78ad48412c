"""Detic's tensors under mmdetection's names, in both directions, bit by bit.

Shapes: O output channels, C channels of a Swin stage.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from torch import Tensor

from detic.checkpoint.renaming import Renaming

_BLOCK = "backbone.bottom_up.layers.#.blocks.#."
_MMDET_BLOCK = "backbone.stages.#.blocks.#."
_STAGE = "roi_heads.box_predictor.#."
_MMDET_STAGE = "roi_head.bbox_head.#."
_TOWER = "proposal_generator.centernet_head.bbox_tower."

TO_MMDET = Renaming(
    [
        ("backbone.bottom_up.patch_embed.proj.*", "backbone.patch_embed.projection.*"),
        ("backbone.bottom_up.patch_embed.norm.*", "backbone.patch_embed.norm.*"),
        (_BLOCK + "mlp.fc1.*", _MMDET_BLOCK + "ffn.layers.0.0.*"),
        (_BLOCK + "mlp.fc2.*", _MMDET_BLOCK + "ffn.layers.1.*"),
        (_BLOCK + "attn.*", _MMDET_BLOCK + "attn.w_msa.*"),
        (_BLOCK + "norm1.*", _MMDET_BLOCK + "norm1.*"),
        (_BLOCK + "norm2.*", _MMDET_BLOCK + "norm2.*"),
        ("backbone.bottom_up.layers.#.downsample.*", "backbone.stages.#.downsample.*"),
        ("backbone.bottom_up.norm#.*", "backbone.norm#.*"),
        *[
            (f"backbone.bottom_up.base.{part}.*", f"backbone.{part}.*")
            for part in ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
        ],
        *[(f"backbone.fpn_lateral{3 + i}.*", f"neck.lateral_convs.{i}.conv.*") for i in range(3)],
        *[(f"backbone.fpn_output{3 + i}.*", f"neck.fpn_convs.{i}.conv.*") for i in range(3)],
        *[(f"backbone.top_block.p{3 + i}.*", f"neck.fpn_convs.{i}.conv.*") for i in (3, 4)],
        # A layer of the tower is three modules here (convolution, norm, ReLU) and one there.
        *[(f"{_TOWER}{3 * i}.*", f"rpn_head.reg_convs.{i}.conv.*") for i in range(4)],
        *[(f"{_TOWER}{3 * i + 1}.*", f"rpn_head.reg_convs.{i}.gn.*") for i in range(4)],
        ("proposal_generator.centernet_head.bbox_pred.*", "rpn_head.conv_reg.*"),
        ("proposal_generator.centernet_head.agn_hm.*", "rpn_head.conv_cls.*"),
        ("proposal_generator.centernet_head.scales.#.scale", "rpn_head.scales.#.scale"),
        ("roi_heads.box_head.#.fc1.*", _MMDET_STAGE + "shared_fcs.0.*"),
        ("roi_heads.box_head.#.fc2.*", _MMDET_STAGE + "shared_fcs.1.*"),
        (_STAGE + "freq_weight", _MMDET_STAGE + "freq_weight"),
        (_STAGE + "cls_score.zs_weight", _MMDET_STAGE + "fc_cls.zs_weight"),
        (_STAGE + "cls_score.linear.*", _MMDET_STAGE + "fc_cls.linear.*"),
        (_STAGE + "bbox_pred.0.*", _MMDET_STAGE + "fc_reg.0.*"),
        (_STAGE + "bbox_pred.2.*", _MMDET_STAGE + "fc_reg.2.*"),
        *[
            (f"roi_heads.mask_head.mask_fcn{i + 1}.*", f"roi_head.mask_head.convs.{i}.conv.*")
            for i in range(4)
        ],
        ("roi_heads.mask_head.deconv.*", "roi_head.mask_head.upsample.*"),
        ("roi_heads.mask_head.predictor.*", "roi_head.mask_head.conv_logits.*"),
    ]
)
FROM_MMDET = TO_MMDET.inverse()

_MERGING = re.compile(
    r"backbone\.bottom_up\.layers\.\d+\.downsample\.(reduction\.weight|norm\.weight|norm\.bias)"
)
_SCALE = re.compile(r"proposal_generator\.centernet_head\.scales\.\d+\.scale")

# Position in mmdetection's order of each of the 2 x 2 merged neighbours, and the reverse.
_NEIGHBOURS = [0, 2, 1, 3]


class Converted(NamedTuple):
    """A state dict in the other spelling."""

    tensors: dict[str, Tensor]
    left_over: tuple[str, ...]  # names of the source without a counterpart


def is_mmdet(names: Iterable[str]) -> bool:
    """Return whether tensor names are those of a detector of mmdetection."""
    return any(name.startswith(("roi_head.", "rpn_head.", "neck.")) for name in names)


def to_mmdet(tensors: Mapping[str, Tensor]) -> Converted:
    """Return a detector's state dict as mmdetection names and orders it."""
    return _converted(
        tensors, {name: (TO_MMDET(name), name) for name in tensors}, neighbours_last, ()
    )


def from_mmdet(tensors: Mapping[str, Tensor]) -> Converted:
    """Return mmdetection's state dict as this project names and orders it."""
    names = {name: FROM_MMDET(name) for name in tensors}
    places = {name: (ours, ours) for name, ours in names.items()}
    return _converted(tensors, places, neighbours_first, (1,))


def _converted(
    tensors: Mapping[str, Tensor],
    places: Mapping[str, tuple[str | None, str | None]],
    reorder: Callable[[Tensor], Tensor],
    scale_shape: tuple[int, ...],
) -> Converted:
    """Return tensors under other names, those of two kinds in another order or shape.

    Args:
        tensors: by their names in the file.
        places: of each name the other one, None for tensors that stay behind, and this project's.
        reorder: turns merged channels into the other order.
        scale_shape: of scales.
    """
    converted, left_over = {}, []
    for name, tensor in tensors.items():
        target, ours = places[name]
        if target is None or ours is None:
            left_over.append(name)
        elif _MERGING.fullmatch(ours):
            converted[target] = reorder(tensor)
        else:
            converted[target] = tensor.reshape(scale_shape) if _SCALE.fullmatch(ours) else tensor
    return Converted(converted, tuple(left_over))


def neighbours_last(x: Tensor) -> Tensor:
    """Return merged channels (..., 4 C), blocks of neighbours, in mmdetection's order.

    There each channel comes with its four neighbours, row by row; here each neighbour comes with
    its C channels, column by column.

    >>> neighbours_last(torch.tensor([[0, 1], [10, 11], [20, 21], [30, 31]]).flatten()).tolist()
    [0, 20, 10, 30, 1, 21, 11, 31]
    """
    blocks = x.unflatten(-1, (4, -1))[..., _NEIGHBOURS, :]  # (..., 4, C)
    return blocks.transpose(-2, -1).flatten(-2)


def neighbours_first(x: Tensor) -> Tensor:
    """Return merged channels (..., 4 C) in this project's order: undoes ``neighbours_last``."""
    channels = x.unflatten(-1, (-1, 4)).transpose(-2, -1)  # (..., 4, C)
    return channels[..., _NEIGHBOURS, :].flatten(-2)
