"""The value of every weight, decided by its name in the state dict.

Weights are noise, scaled so that activations, scores and losses of a whole detector stay in the range
they have in practice. In each table the first pattern found in a name counts.
"""

import math
import re

import numpy as np
import torch
from torch import Tensor, nn

from tests.parity.noise import common_direction, noise

# Tensors that stay as they are built: from the configuration, from files, or of integers.
AS_BUILT = re.compile(
    r"pixel_mean|pixel_std|relative_position_index|num_batches_tracked|freq_weight|attn_mask"
    r"|anchor_generator\.|zs_weight$|criterion\.fed_loss_weight$"
)

# Any shape: (pattern, mean, spread).
PLAIN = [
    (r"\.running_mean$", 0.0, 0.1),
    (r"\.running_var$", 1.0, 0.15),
    (r"^text_encoder\..*token_embedding", 0.0, 0.3),
    (r"^text_encoder\..*positional_embedding", 0.0, 0.1),
    (r"relative_position_bias_table$", 0.0, 0.3),
    (r"level_embed$", 0.0, 0.5),
    (r"query_embed\.weight$", 0.0, 1.0),
]

# Vectors and single numbers: (pattern, mean, spread).
VECTORS = [
    (r"\.class_embed\.\d+\.bias$", -3.0, 0.5),
    (r"\.scale$", 1.0, 0.1),
    (r"\.gamma$", 0.4, 0.05),
    (r"cls_score\.bias$", -2.5, 0.5),
    (r"centernet_head\.bbox_pred\.bias$", 2.6, 0.2),
    (r"(agn_hm|cls_logits)\.bias$", -2.2, 0.1),
    (r"cls_bias$", -2.0, 0.0),
    (r"bias[^.]*$", 0.0, 0.1),
    # The last normalisation of a residual block: the sum of many blocks must not grow.
    (r"(bn3|conv3\.norm)\.weight$", 0.35, 0.05),
    (r"layer\d\.\d+\.bn2\.weight$", 0.7, 0.1),
    (r"", 1.0, 0.1),
]

# Matrices and filters: (pattern, factor on 1 / sqrt(inputs)).
GAINS = [
    (r"mask_head\.predictor\.weight$", 3.0),
    (r"objectness_logits\.weight$", 0.8),
    (r"^backbone\.(bottom_up\.)?stem\.conv1\.weight$", 1.7 / 60),  # of pixels up to 255
    (r"bbox_embed\.\d+\.layers\.2\.weight$", 0.6),
    (r"anchor_deltas\.weight$", 0.3),
    (r"box_predictor\.(\d+\.)?cls_score\.linear\.weight$", 1.7),
    (r"box_predictor\.(\d+\.)?bbox_pred(\.2)?\.weight$", 0.5),
    (r"(agn_hm|cls_logits)\.weight$", 2.2),
    (r"centernet_head\.bbox_pred\.weight$", 1.3),
    (r"fpn_lateral|fpn_output|top_block", 1.2),
    (r"attn\.(qkv|proj)|reduction|in_proj|out_proj|mlp\.fc2|c_proj|patch_embed|text_proj", 1.0),
    (r"", 1.7),
]


def value_of(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the float32 value of the weight ``name``."""
    plain = _first(PLAIN, name)
    if plain is not None:
        return _around(*plain, noise(name, shape))
    if len(shape) > 1:
        return _filters(noise(name, shape), *_first(GAINS, name))
    if name.endswith("cls_score.linear.bias"):
        # Against the direction that all classes share: scores stay low.
        return -4.6 * common_direction() + np.float32(0.02) * noise(name, shape)
    return _around(*_first(VECTORS, name), noise(name, shape))


def fill_weights(module: nn.Module, prefix: str = "") -> None:
    """Set all weights of a module whose names start with ``prefix`` in the state dict of a model."""
    names = first_names(module)
    with torch.no_grad():
        for name, weight in module.state_dict().items():
            name = prefix + names[name]
            if weight.is_floating_point() and not AS_BUILT.search(name):
                weight.copy_(torch.from_numpy(value_of(name, tuple(weight.shape))))


def first_names(module: nn.Module) -> dict[str, str]:
    """Return the name that decides, by name in the state dict: the first of a shared tensor's."""
    names_of: dict[int, list[str]] = {}
    tensors: list[tuple[str, Tensor]] = [
        *module.state_dict(keep_vars=True).items(),
        *module.named_parameters(remove_duplicate=False),
    ]
    for name, weight in tensors:
        names_of.setdefault(id(weight), []).append(name)
    return {name: min(names) for names in names_of.values() for name in names}


def _first(table: list[tuple], name: str) -> tuple | None:
    return next((row[1:] for row in table if re.search(row[0], name)), None)


def _around(mean: float, spread: float, z: np.ndarray) -> np.ndarray:
    return np.float32(mean) + np.float32(spread) * z


def _filters(z: np.ndarray, gain: float) -> np.ndarray:
    """Return filters of mean 0, so that the mean of rectified inputs does not drown the signal."""
    rows = z.reshape(len(z), -1)
    num_inputs = rows.shape[1]
    if num_inputs > 1:
        rows = rows - rows.mean(axis=1, keepdims=True)
    return (rows * np.float32(gain / math.sqrt(num_inputs))).reshape(z.shape)
