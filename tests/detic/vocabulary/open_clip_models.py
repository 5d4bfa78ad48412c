"""Models of open_clip with random weights, small enough to be built in milliseconds."""

import json
from pathlib import Path

import open_clip
import torch

_VISION = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 32}
_TEXT = {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1}
_BOTH_WAYS = {"no_causal_mask": True}

FAMILIES = {
    "clip": {"embed_dim": 24, "text_cfg": _TEXT},
    "siglip": {
        "embed_dim": 64,
        "init_logit_bias": -10,
        "custom_text": True,
        "text_cfg": _TEXT | _BOTH_WAYS | {"proj_bias": True, "pool_type": "last"},
    },
    "mobileclip": {
        "embed_dim": 40,
        "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "avg", "image_size": 160},
        "text_cfg": _TEXT | _BOTH_WAYS,
    },
    "coca": {
        "embed_dim": 32,
        "custom_text": True,
        "text_cfg": _TEXT | {"embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {"context_length": 16, "width": 64, "heads": 1, "layers": 1},
        "vision_cfg": _VISION | {"attentional_pool": True, "output_tokens": True},
    },
}


def write_model(folder: Path, family: str, seed: int = 0) -> str:
    """Return the source of a model with random weights, written into a new ``folder``."""
    config = {"vision_cfg": _VISION} | FAMILIES[family]
    folder.mkdir()
    file = folder / "open_clip_config.json"
    file.write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    torch.manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    return f"open_clip:local-dir:{folder}"
