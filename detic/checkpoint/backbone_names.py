"""The names that publishers of pretrained backbones give to tensors, and their places in ours."""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from detic.checkpoint.renaming import Renaming
from detic.modeling.backbone import places

_PLACES = (
    "",
    *places.PREFIXES,
    "roi_heads.",  # the C4 recipes' heads own the last ResNet stage
)

_CAFFE2_TENSORS = {
    "w": "weight",
    "bn_s": "norm.weight",
    "bn_b": "norm.bias",
    "bn_rm": "norm.running_mean",
    "bn_riv": "norm.running_var",
}
_CAFFE2_BRANCHES = {"1": "shortcut", "2a": "conv1", "2b": "conv2", "2c": "conv3"}

_caffe2 = Renaming(
    [
        ("conv1_w", "stem.conv1.weight"),
        *[(f"res_conv1_{old}", f"stem.conv1.{new}") for old, new in _CAFFE2_TENSORS.items()],
        *[
            (f"res#_#_branch{branch}_{old}", f"res#.#.{module}.{new}")
            for branch, module in _CAFFE2_BRANCHES.items()
            for old, new in _CAFFE2_TENSORS.items()
        ],
    ]
)

_torchvision_to_detectron2 = Renaming(
    [
        ("conv1.*", "stem.conv1.*"),
        ("bn1.*", "stem.conv1.norm.*"),
        *[
            (f"layer{stage - 1}.#.{old}.*", f"res{stage}.#.{new}.*")
            for stage in (2, 3, 4, 5)
            for old, new in (
                ("conv#", "conv#"),
                ("bn#", "conv#.norm"),
                ("downsample.0", "shortcut"),
                ("downsample.1", "shortcut.norm"),
            )
        ],
    ]
)

_fair_convnext = Renaming(
    [
        ("downsample_layers.0.#.*", "stem_#.*"),
        ("downsample_layers.#.#.*", "stages_#.downsample.#.*"),
        ("stages.#.#.dwconv.*", "stages_#.blocks.#.conv_dw.*"),
        ("stages.#.#.pwconv#.*", "stages_#.blocks.#.mlp.fc#.*"),
        ("stages.#.#.norm.*", "stages_#.blocks.#.norm.*"),
        ("stages.#.#.gamma", "stages_#.blocks.#.gamma"),
    ]
)

# timm's feature extractors flatten the outermost sequence of some models.
_timm_features = Renaming([("stem.#.*", "stem_#.*"), ("stages.#.*", "stages_#.*")])

# timm merges patches at the start of a stage, we do at the end of the one before.
_timm_swin = Renaming(
    [
        *[(f"layers.{i + 1}.downsample.*", f"layers.{i}.downsample.*") for i in range(3)],
        ("layers.#.blocks.*", "layers.#.blocks.*"),
        ("patch_embed.*", "patch_embed.*"),
    ]
)


def _unchanged(name: str) -> str:
    return name


TORCHVISION_TO_DETECTRON2 = "torchvision's names for detectron2's ResNet"
CAFFE2 = "Caffe2"

# The first of those that place equally many tensors counts.
SPELLINGS: dict[str, Callable[[str], str | None]] = {
    "the model's own names": _unchanged,
    "another detector's names": places.name_in_backbone,
    CAFFE2: _caffe2,
    TORCHVISION_TO_DETECTRON2: _torchvision_to_detectron2,
    "FAIR ConvNeXt": _fair_convnext,
    "timm": _timm_features,
    "timm Swin": _timm_swin,
}


class Placed(NamedTuple):
    """Where the tensors of a file belong."""

    spelling: str  # a key of SPELLINGS
    model_names: dict[str, str]  # by name in the file; without those that have no place


def place_backbone(names: Collection[str], model_names: Collection[str]) -> Placed:
    """Return the place of each tensor, in the spelling that fits most of them."""
    candidates = [
        Placed(spelling, _places(names, translate, model_names))
        for spelling, translate in SPELLINGS.items()
    ]
    return max(candidates, key=lambda placed: len(placed.model_names))


def _places(
    names: Collection[str],
    translate: Callable[[str], str | None],
    model_names: Collection[str],
) -> dict[str, str]:
    places = {}
    for name in names:
        translated = translate(name)
        if translated is None:
            continue
        options = (prefix + translated for prefix in _PLACES)
        place = next((option for option in options if option in model_names), None)
        if place is not None:
            places[name] = place
    return places


def with_identity_statistics(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a Caffe2 ResNet's tensors with the statistics that its normalisation lacks.

    Those files keep normalisation as a plain scale and shift; a mean of 0 and a variance of
    1 - 1e-5, to which the layer adds 1e-5, leave it at that.

    Args:
        tensors: by detectron2's names.
    """
    completed = dict(tensors)
    for name, tensor in tensors.items():
        if name.endswith(".norm.weight"):
            norm = name.removesuffix("weight")
            completed.setdefault(norm + "running_mean", torch.zeros_like(tensor))
            completed.setdefault(norm + "running_var", torch.full_like(tensor, 1 - 1e-5))
    return completed
