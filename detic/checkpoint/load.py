"""One loader for the weights of MODEL.WEIGHTS, whoever published them."""

import logging
import os
from collections.abc import Mapping, Sequence
from enum import Enum

from detectron2.modeling.backbone.resnet import BottleneckBlock
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from detic.checkpoint.backbone_names import (
    CAFFE2,
    TORCHVISION_TO_DETECTRON2,
    place_backbone,
    with_identity_statistics,
)
from detic.checkpoint.load_report import LoadReport, group_names
from detic.checkpoint.matching import (
    absent_from_classifiers,
    backbone_part,
    fit_tensors,
)
from detic.checkpoint.mmdet import from_mmdet, is_mmdet
from detic.errors import InputError
from detic.weight_files import read_weights

logger = logging.getLogger(__name__)


class Purpose(str, Enum):
    """What a model is wanted for; a training may start from a pretrained backbone alone."""

    TRAIN = "train"
    INFERENCE = "inference"


def load_weights(
    model: nn.Module,
    path: str | os.PathLike,
    *,
    purpose: Purpose | str = Purpose.INFERENCE,
    allow_partial: bool = False,
) -> LoadReport:
    """Return what a weight file gave to ``model``, which holds the weights afterwards.

    The tensor names tell the format: checkpoints of detectron2 and of this project, of mmdetection,
    and pretrained backbones (ResNets of MIIL, timm, torchvision, detectron2 and MSRA, Swin of
    Microsoft and timm, ConvNeXt of FAIR and timm). Values take the model's dtypes and devices. A
    classifier of another number of classes stays the model's own.

    Args:
        model: a detector, possibly wrapped for data-parallel training.
        path: see :func:`detic.checkpoint.read_weights`.
        purpose: "train" accepts a backbone alone, "inference" does not.
        allow_partial: accept files that leave any part of the model random.

    Raises:
        InputError: the file cannot be read, holds values that are not finite, or leaves parts of the
            model random. The model is unchanged then.
    """
    purpose = Purpose(purpose)
    if isinstance(model, DataParallel | DistributedDataParallel):
        model = model.module
    state = model.state_dict()
    names, tensors = _under_model_names(read_weights(path), model, state)
    fit = fit_tensors(tensors, state)
    report = LoadReport(
        path=os.fspath(path),
        names=names,
        num_model_tensors=len(state),
        matched=tuple(sorted(fit.tensors)),
        missing=fit.missing,
        mismatched=fit.mismatched,
        unexpected=fit.unexpected,
        vocabulary_sizes=fit.vocabulary_sizes,
    )
    _check_finite(fit.tensors, report.path)
    unexplained = _unexplained(report, backbone_part(state), purpose)
    if not report.matched or (unexplained and not allow_partial):
        raise _refusal(report, unexplained, backbone_part(state))
    state.update(fit.tensors)
    model.load_state_dict(state)
    logger.log(logging.WARNING if unexplained else logging.INFO, "\n%s", report.table())
    return report


def _check_finite(tensors: Mapping[str, Tensor], path: str) -> None:
    """Refuse weights that are no real numbers: the model would detect nothing, and not say why."""
    imaginary = [name for name, tensor in tensors.items() if tensor.is_complex()]
    if imaginary:
        raise InputError(f"{path} holds complex numbers in {group_names(imaginary)}")
    broken = [name for name, tensor in tensors.items() if not _is_finite(tensor)]
    if broken:
        raise InputError(
            f"{path} holds values that are infinite or no numbers in {group_names(broken)}; the file "
            "is damaged or its training diverged: take an earlier checkpoint"
        )


def _is_finite(tensor: Tensor) -> bool:
    """Return whether all values are finite; the extremes tell, 20 times sooner than each value."""
    if tensor.numel() == 0 or not tensor.is_floating_point():
        return True
    values = tensor.float() if tensor.element_size() == 1 else tensor  # 8-bit ones have no aminmax
    return all(extreme.isfinite() for extreme in values.aminmax())


def _under_model_names(
    tensors: Mapping[str, Tensor], model: nn.Module, state: Mapping[str, Tensor]
) -> tuple[str, dict[str, Tensor]]:
    """Return whose names ``tensors`` have, and the tensors by the model's names where it can."""
    if is_mmdet(tensors):
        converted = from_mmdet(tensors)
        return "mmdetection", converted.tensors | {n: tensors[n] for n in converted.left_over}
    placed = place_backbone(tensors, state)
    if placed.spelling == TORCHVISION_TO_DETECTRON2:
        _check_strides(model)
    renamed = {placed.model_names.get(name, name): tensor for name, tensor in tensors.items()}
    if placed.spelling == CAFFE2:
        renamed = with_identity_statistics(renamed)
    return placed.spelling, renamed


def _check_strides(model: nn.Module) -> None:
    """Raise if the blocks of detectron2's ResNet halve the map where torchvision's do not."""
    for block in model.modules():
        if isinstance(block, BottleneckBlock) and block.conv1.stride != (1, 1):
            raise InputError(
                "torchvision's ResNets halve the map in the 3x3 convolution of a block, this model in "
                "the 1x1 convolution; set MODEL.RESNETS.STRIDE_IN_1X1 False"
            )


def _unexplained(report: LoadReport, backbone: frozenset[str], purpose: Purpose) -> list[str]:
    """Return the tensors that stay random although they should not.

    Args:
        backbone: names of the model's backbone, which a training may start from alone.
    """
    if purpose is Purpose.TRAIN and backbone.issuperset(report.matched):
        return [n for n in report.random if n in backbone and not absent_from_classifiers(n)]
    return list(report.random)


def _refusal(
    report: LoadReport, unexplained: Sequence[str], backbone: frozenset[str]
) -> InputError:
    """Return what is wrong with weights that leave ``unexplained`` random."""
    if not report.matched:
        return InputError(
            f"no tensor of {report.path} fits the model: it holds {group_names(report.unexpected)}; "
            "choose the recipe that the weights were made for"
        )
    message = f"{report.path} leaves parts of the model random: {group_names(unexplained)}. "
    if report.mismatched:
        message += f"{report.mismatched[0]}. "
    if report.unexpected:
        message += f"The model has no place for {group_names(report.unexpected)}. "
    if backbone.issuperset(report.matched):
        message += "The file holds a backbone, which suits training only; name a detector's weights"
    else:
        message += "Choose the recipe that the weights were made for"
    return InputError(message + ", or accept this with MODEL.ALLOW_PARTIAL_WEIGHTS True")
