"""Names of pretrained backbones: from Caffe2's to ours, and matching by the end of the name."""

import logging
import re
from collections.abc import Iterable

import torch

logger = logging.getLogger(__name__)

_C2_BLOCK = re.compile(r"res(\d)_(\d+)_branch(1|2a|2b|2c)_(.+)")
_C2_STEM = re.compile(r"(?:res_)?conv1_(.+)")
_C2_BRANCHES = {"1": "shortcut", "2a": "conv1", "2b": "conv2", "2c": "conv3"}
_C2_TENSORS = {
    "w": "weight",
    "b": "bias",
    "bn_s": "norm.weight",
    "bn_b": "norm.bias",
    "bn_rm": "norm.running_mean",
    "bn_riv": "norm.running_var",
}


def convert_c2_resnet_name(name: str) -> str:
    """Returns the name in `ResNet` of a tensor of a Caffe2 ResNet; other names as they are.

    >>> convert_c2_resnet_name("res2_0_branch2a_w"), convert_c2_resnet_name("res_conv1_bn_s")
    ('res2.0.conv1.weight', 'stem.conv1.norm.weight')
    """
    block, stem = _C2_BLOCK.fullmatch(name), _C2_STEM.fullmatch(name)
    if block and block[4] in _C2_TENSORS:
        return f"res{block[1]}.{block[2]}.{_C2_BRANCHES[block[3]]}.{_C2_TENSORS[block[4]]}"
    if stem and stem[1] in _C2_TENSORS:
        return f"stem.conv1.{_C2_TENSORS[stem[1]]}"
    return name.replace("fc1000_w", "linear.weight").replace("fc1000_b", "linear.bias")


def match_by_suffix(model_names: Iterable[str], checkpoint_names: Iterable[str]) -> dict[str, str]:
    """Returns, for model names that have one, the longest checkpoint name that they end with.

    Only whole components count: "backbone.bottom_up.res2.0.conv1.weight" ends with
    "res2.0.conv1.weight" but not with "onv1.weight".

    Raises:
        ValueError: two model names would get the same checkpoint tensor.
    """
    known = set(checkpoint_names)
    matches: dict[str, str] = {}
    taken: dict[str, str] = {}
    for model_name in sorted(model_names):
        parts = model_name.split(".")
        suffixes = (".".join(parts[start:]) for start in range(len(parts)))
        found = next((suffix for suffix in suffixes if suffix in known), None)
        if found is None:
            continue
        if found in taken:
            raise ValueError(
                f"checkpoint tensor '{found}' fits both '{taken[found]}' and '{model_name}' of the "
                "model; give the tensors of the checkpoint longer names"
            )
        matches[model_name] = found
        taken[found] = model_name
    return matches


def align_and_update_state_dicts(
    model_state_dict: dict[str, torch.Tensor],
    ckpt_state_dict: dict[str, torch.Tensor],
    c2_conversion: bool = True,
) -> dict[str, torch.Tensor]:
    """Returns the checkpoint renamed to the model's names.

    Args:
        model_state_dict: of the model.
        ckpt_state_dict: of a part of it, usually a backbone.
        c2_conversion: the names are Caffe2's.

    Returns:
        Matched tensors under the names of the model, the others under their own. A tensor of
        another shape than the model's counts as not matched, and is logged.
    """
    if c2_conversion:
        ckpt_state_dict = {convert_c2_resnet_name(k): v for k, v in ckpt_state_dict.items()}
    renamed = dict(ckpt_state_dict)
    matches = match_by_suffix(model_state_dict, ckpt_state_dict)
    for model_name, name in matches.items():
        shape, expected = ckpt_state_dict[name].shape, model_state_dict[model_name].shape
        if tuple(shape) != tuple(expected):
            logger.warning(
                "Shape of '%s' in the checkpoint is %s, but '%s' of the model has %s; skipped",
                *(name, tuple(shape), model_name, tuple(expected)),
            )
            continue
        renamed[model_name] = renamed.pop(name)
    logger.info("Matched %d of %d checkpoint tensors by name", len(matches), len(ckpt_state_dict))
    return renamed
