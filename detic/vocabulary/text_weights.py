"""Where the text encoder's weights come from, and what identifies them.

A *source* is the word ``openai`` or the path of a file. Whatever the file format, the result is
the same: a dictionary of float32 tensors under the names of OpenAI's CLIP, text half only.
"""

import hashlib
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from detic.errors import InputError
from detic.paths import at_home, find_file, looked_for
from detic.weight_files import read_weights

logger = logging.getLogger(__name__)

OPENAI = "openai"
OPENAI_MODEL = "ViT-B-32-quickgelu"
OPENAI_ARCHIVE = "ViT-B-32.pt"
OPENAI_HUB_FILE = "open_clip_model.safetensors"
HUB_TIMEOUT_S = 5
HEAD_WIDTH = 64  # every CLIP model of OpenAI has attention heads of this width
SHAPES_ENCODER = "models/shapes/clip_text.safetensors"

_TOP_LEVEL_NAMES = (
    "positional_embedding",
    "text_projection",
    "token_embedding.weight",
    "ln_final.weight",
    "ln_final.bias",
)
_BLOCK_NAME = re.compile(r"transformer\.resblocks\.(\d+)\.")


@dataclass(frozen=True)
class TextEncoderSizes:
    """The sizes of a CLIP text encoder, under the names of CLIPTextEncoder's arguments."""

    context_length: int  # tokens of one text, start and end token included
    vocab_size: int  # rows of the token table
    width: int  # channels of the transformer
    heads: int  # attention heads
    layers: int  # transformer blocks
    embed_dim: int  # channels of the feature


def read_text_weights(source: str | os.PathLike) -> dict[str, torch.Tensor]:
    """Return the text encoder's tensors from a source.

    Args:
        source: ``openai``, or the path of OpenAI's TorchScript archive (``.pt``), of a plain
            state dict (``.pt``, ``.pth``, ``.bin``) or of a ``.safetensors`` file.

    Returns:
        Float32 tensors by their name in OpenAI's CLIP; the image tower is left out.

    Raises:
        InputError: the weights are missing, unreadable, or hold no CLIP text encoder.
    """
    path = find_text_weights(source)
    weights = {
        name: tensor.float().contiguous()
        for name, tensor in read_weights(path).items()
        if name in _TOP_LEVEL_NAMES or _BLOCK_NAME.match(name)
    }
    missing = [name for name in _TOP_LEVEL_NAMES if name not in weights]
    if missing or not any(map(_BLOCK_NAME.match, weights)):
        raise InputError(
            f"{path} holds no CLIP text encoder: {', '.join(missing) or 'transformer.resblocks'} "
            "not found; expected the tensor names of OpenAI's CLIP (positional_embedding, "
            "transformer.resblocks.0..., text_projection)"
        )
    return weights


def text_encoder_sizes(weights: Mapping[str, torch.Tensor]) -> TextEncoderSizes:
    """Return the sizes that a set of text tensors implies."""
    context_length, width = weights["positional_embedding"].shape
    blocks = [int(match[1]) for match in map(_BLOCK_NAME.match, weights) if match]
    return TextEncoderSizes(
        context_length=context_length,
        vocab_size=weights["token_embedding.weight"].shape[0],
        width=width,
        heads=max(1, width // HEAD_WIDTH),
        layers=max(blocks) + 1,
        embed_dim=weights["text_projection"].shape[1],
    )


def weights_fingerprint(source: str | os.PathLike | Mapping[str, torch.Tensor]) -> str:
    """Return 16 hexadecimal digits that identify text weights, whatever file they came from.

    The digits are the head of the SHA-256 of names, shapes and float32 values in order of name,
    so OpenAI's archive and a safetensors copy of it have the same fingerprint.

    Args:
        source: as in ``read_text_weights``, or the tensors that it returned.
    """
    weights = source if isinstance(source, Mapping) else read_text_weights(source)
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(f"{name} {tuple(weights[name].shape)}\n".encode())
        digest.update(weights[name].detach().cpu().contiguous().numpy())
    return digest.hexdigest()[:16]


def find_text_weights(source: str | os.PathLike) -> Path:
    """Return the local file of a source; ``openai`` is downloaded when no copy is found.

    The copies of ``openai`` are looked for where OpenAI's own package and the hub's client keep
    them, in this order: ``~/.cache/clip/ViT-B-32.pt``, the hub's cache, the hub itself.
    """
    path = local_text_weights(source)
    if path is not None:
        return path
    if os.fspath(source) != OPENAI:
        reason = f"no text encoder weights at {source}; {looked_for(source)}"
        raise InputError(_how_to_get_weights(reason))
    return _from_hub()


def local_text_weights(source: str | os.PathLike) -> Path | None:
    """Return the local file of a source, None if there is none; nothing is downloaded."""
    if os.fspath(source) != OPENAI:
        path = find_file(source)
        return path if path.is_file() else None
    archive = at_home("~/.cache/clip") / OPENAI_ARCHIVE
    return archive if archive.is_file() else _hub_copy()


def _hub_copy() -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    repository, _ = _openai_addresses()
    cached = try_to_load_from_cache(repository, OPENAI_HUB_FILE)
    return Path(cached) if isinstance(cached, str) else None


def _from_hub() -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    repository, _ = _openai_addresses()
    try:
        # A download retries for half a minute before it admits that there is no network; this
        # request does not.
        get_hf_file_metadata(hf_hub_url(repository, OPENAI_HUB_FILE), timeout=HUB_TIMEOUT_S)
        logger.info("fetching CLIP's text encoder (%s) from the Hugging Face hub", repository)
        return Path(hf_hub_download(repository, OPENAI_HUB_FILE))
    except Exception as error:  # the exceptions of whichever HTTP client the hub's client uses
        reason = f"cannot fetch {repository}/{OPENAI_HUB_FILE} from the Hugging Face hub ({error})"
        raise InputError(_how_to_get_weights(reason)) from error


def _openai_addresses() -> tuple[str, str]:
    from open_clip import get_pretrained_cfg

    entry = get_pretrained_cfg(OPENAI_MODEL, OPENAI)
    return entry["hf_hub"].rstrip("/"), entry["url"]


def _how_to_get_weights(reason: str) -> str:
    repository, url = _openai_addresses()
    return (
        f"{reason}. Turning class names into embeddings needs a CLIP text encoder. Either\n"
        f"  - download {url} to ~/.cache/clip/ViT-B-32.pt, where it is found by the name "
        f"'{OPENAI}', or anywhere and name that file;\n"
        f"  - or, on a machine with network, run `hf download {repository} {OPENAI_HUB_FILE}` "
        "and name the file it reports;\n"
        f"  - or, for the configs under configs/shapes, name {SHAPES_ENCODER}, which needs "
        "no network."
    )
