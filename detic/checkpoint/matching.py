"""Which tensors of a file fit a model, and which tensors of a model a file has to have."""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from torch import Tensor

from detic.checkpoint.load_report import ShapeMismatch
from detic.modeling.backbone.places import IN_BACKBONE, below_pyramid

_STAGE = r"roi_heads\.box_predictor(\.\d+)?\."
_DETR_LAYER = r"detr\.(transformer\.decoder\.)?class_embed\.\d+"
_ZERO_SHOT_WEIGHT = re.compile(rf"({_STAGE}cls_score|{_DETR_LAYER})\.zs_weight")

# Tensors whose values follow from the configuration or from other files, or that nothing reads.
# Where a file lacks them the model's own stay, and where it has more of them they are left out.
_NOT_LEARNED = re.compile(
    "|".join(
        (
            r"pixel_(mean|std)",
            r".*\banchor_generator\.cell_anchors\.\d+",
            r".*\bnum_batches_tracked",
            r".*\brelative_position_index",
            _STAGE + "freq_weight",
            r"criterion\.fed_loss_weight",
            _ZERO_SHOT_WEIGHT.pattern,
            r"text_encoder\..*",  # frozen, has a weight file of its own
            IN_BACKBONE + r"base\.fc\..*",  # the classifier that backbones were trained with
        )
    )
)
# Compares the proposals of an image while image labels train it; detection does without.
_PROPOSAL_SCORE = re.compile(_STAGE + r"prop_score\..*")

# The output normalisation of Swin, as image classifiers normalise the last stage only; and what makes
# maps of other strides from the one of a plain transformer.
_NOT_IN_CLASSIFIERS = re.compile(IN_BACKBONE + r"(norm\d\.(weight|bias)|base\.pyramid\..*)")


class Fit(NamedTuple):
    """A file compared with a model."""

    tensors: dict[str, Tensor]  # those that fit, in the model's shapes
    missing: tuple[str, ...]  # learned tensors of the model that the file lacks
    mismatched: tuple[ShapeMismatch, ...]
    unexpected: tuple[str, ...]  # tensors that the model lacks
    vocabulary_sizes: tuple[int, int] | None  # classes of the file and the model, if they differ


def fit_tensors(tensors: Mapping[str, Tensor], model_state: Mapping[str, Tensor]) -> Fit:
    """Return how ``tensors``, under the model's names, fit a model's state dict.

    Scalars fit whether they are of shape () or (1,).
    """
    fitting, mismatched = {}, []
    for name in tensors.keys() & model_state.keys():
        tensor, expected = tensors[name], model_state[name].shape
        if tensor.shape == expected or tensor.numel() == expected.numel() == 1:
            fitting[name] = tensor.reshape(expected)
        elif not _NOT_LEARNED.fullmatch(name):
            mismatched.append(ShapeMismatch(name, tuple(tensor.shape), tuple(expected)))
    return Fit(
        tensors=fitting,
        missing=_learned(model_state.keys() - tensors.keys()),
        mismatched=tuple(sorted(mismatched, key=lambda mismatch: mismatch.name)),
        unexpected=_learned(tensors.keys() - model_state.keys()),
        vocabulary_sizes=_vocabulary_sizes(tensors, model_state),
    )


def backbone_part(model_names: Collection[str]) -> frozenset[str]:
    """Return the names of a detector's pretrained part: without the pyramid on top.

    The C4 recipes keep the last stage of their ResNet in the heads.
    """
    of_heads = [name for name in model_names if name.startswith("roi_heads.res5.")]
    return frozenset([*below_pyramid(model_names), *of_heads])


def absent_from_classifiers(name: str) -> bool:
    """Return whether a backbone's tensor is one that pretrained image classifiers do not have."""
    return _NOT_IN_CLASSIFIERS.fullmatch(name) is not None


def _learned(names: Collection[str]) -> tuple[str, ...]:
    return tuple(
        sorted(
            name
            for name in names
            if not (_NOT_LEARNED.fullmatch(name) or _PROPOSAL_SCORE.fullmatch(name))
        )
    )


def _vocabulary_sizes(
    tensors: Mapping[str, Tensor], model_state: Mapping[str, Tensor]
) -> tuple[int, int] | None:
    """Return the numbers of classes of file and model, without background, if they differ."""
    for name in tensors.keys() & model_state.keys():
        if _ZERO_SHOT_WEIGHT.fullmatch(name):
            sizes = tensors[name].shape[-1] - 1, model_state[name].shape[-1] - 1
            return sizes if sizes[0] != sizes[1] else None
    return None
