"""Names of checkpoints that lack the beginning of the names in a model."""

import torch


def match_by_suffix(
    model_state_dict: dict[str, torch.Tensor], ckpt_state_dict: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return the checkpoint with its tensors under the model's names.

    A tensor belongs to the name of the model that ends with its name, by whole components:
    "backbone.bottom_up.res2.0.conv1.weight" ends with "res2.0.conv1.weight", not with "1.weight".
    If several tensors fit, the longest name wins. Tensors that fit nowhere keep their names.
    """
    names: dict[str, str] = {}  # tensor of the checkpoint: tensor of the model
    for model_name in sorted(model_state_dict):
        parts = model_name.split(".")
        suffixes = (".".join(parts[start:]) for start in range(len(parts)))
        name = next((suffix for suffix in suffixes if suffix in ckpt_state_dict), None)
        if name in names:
            raise ValueError(
                f"checkpoint tensor '{name}' fits both '{names[name]}' and '{model_name}' of the "
                "model; give the tensors of the checkpoint longer names"
            )
        if name is not None:
            names[name] = model_name
    return {names.get(name, name): tensor for name, tensor in ckpt_state_dict.items()}
