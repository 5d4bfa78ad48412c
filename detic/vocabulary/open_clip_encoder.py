"""Text encoders of open_clip: SigLIP, MobileCLIP, multilingual CLIPs and others.

Their sources begin with ``open_clip:``. What follows is a model of ``open_clip.list_models()`` and,
behind a colon, a tag of pretrained weights or a file; or one of the addresses that open_clip knows,
``hf-hub:ORGANISATION/NAME`` and ``local-dir:FOLDER``. Importing does not load open_clip.

Shapes: N texts, D embedding width.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from detic.errors import InputError, in_short, unknown_choice
from detic.paths import find_file
from detic.vocabulary.text_weights import weights_fingerprint

PREFIX = "open_clip:"
_ADDRESSES = ("hf-hub:", "local-dir:")
_WEIGHT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
# Parts of a model that texts do not go through
_NOT_OF_TEXTS = ("visual", "text_decoder", "logit_scale", "logit_bias")
_SENTENCE = "a photo of 2 Dachshunde, große Hunde"  # tokenizers differ in capitals and in German


class OpenClipName(NamedTuple):
    """A model of open_clip and its weights."""

    model: str
    weights: str  # a tag or a file; "" for addresses, which have both

    @classmethod
    def parse(cls, source: str) -> "OpenClipName":
        """Return what a source names.

        >>> OpenClipName.parse("open_clip:ViT-B-16-SigLIP2:webli")
        OpenClipName(model='ViT-B-16-SigLIP2', weights='webli')

        Raises:
            InputError: it names no weights.
        """
        rest = source.removeprefix(PREFIX)
        if rest.startswith(_ADDRESSES):
            return cls(rest, "")
        model, _, weights = rest.partition(":")
        if not (model and weights):
            raise InputError(
                f"the text encoder {source!r} names no weights; expected {PREFIX}MODEL:TAG, "
                f"{PREFIX}MODEL:FILE, {PREFIX}hf-hub:ORGANISATION/NAME or {PREFIX}local-dir:FOLDER"
            )
        return cls(model, weights)

    @property
    def is_published(self) -> bool:
        """Whether open_clip fetches it on any machine; otherwise it lies in files of this one."""
        return self.model.startswith("hf-hub:") or (
            bool(self.weights) and not find_file(self.weights).is_file()
        )

    @property
    def short(self) -> str:
        """The source without folders: the same wherever files lie."""
        schema, _, address = self.model.partition(":")
        if schema == "local-dir":
            return f"{PREFIX}{schema}:{Path(address).name}"
        return f"{PREFIX}{self.model}:{Path(self.weights).name}".rstrip(":")


def is_open_clip(source: str | os.PathLike) -> bool:
    """Return whether a source names a model of open_clip."""
    return os.fspath(source).startswith(PREFIX)


class OpenClipTextEncoder(nn.Module):
    """The text half of a model of open_clip, in evaluation mode, with the model's tokenizer."""

    def __init__(self, model: nn.Module, tokenizer: Any):
        super().__init__()
        for part in _NOT_OF_TEXTS:
            if hasattr(model, part):
                setattr(model, part, None)
        self.model: Any = model.float().eval()
        self.tokenizer = tokenizer

    def forward(self, texts: list[str]) -> Tensor:
        """Return the features of texts (N, D), not normalised."""
        device = next(self.model.parameters()).device
        return self.model.encode_text(self.tokenizer(texts).to(device), normalize=False)

    @property
    def embed_dim(self) -> int:
        """The width of the features."""
        with torch.no_grad():
            return self([""]).shape[1]

    @property
    def fingerprint(self) -> str:
        """What identifies weights, architecture and, by the tokens of a sentence, tokenizer."""
        tensors = self.model.state_dict() | dict(self.model.named_buffers())  # masks among them
        # The same weights in another architecture make other features.
        modules = [type(module).__name__ for module in self.model.modules()]
        choices = {name for name in modules if name.endswith("LU")} | {self._pooling}
        marks = {f"choice {choice}": torch.zeros(0) for choice in choices}
        return weights_fingerprint(tensors | marks | {"tokens": self.tokenizer([_SENTENCE])})

    @property
    def _pooling(self) -> str:
        """How the features of a text's tokens become one."""
        tower = getattr(self.model, "text", None)
        return str(getattr(self.model, "text_pool_type", getattr(tower, "pool_type", "")))


def load_open_clip(source: str) -> OpenClipTextEncoder:
    """Return the text encoder that a source names, downloaded on first use.

    Raises:
        InputError: open_clip does not know it, or its weights or tokenizer cannot be had.
    """
    import open_clip

    name = OpenClipName.parse(source)
    weights = _find_weights(name)
    try:
        model = open_clip.create_model(
            name.model,
            pretrained=weights or None,
            require_pretrained=True,
            pretrained_text=False,  # the weights have the texts' half
            weights_only=True,
        )
        tokenizer = open_clip.get_tokenizer(name.model)
    except Exception as error:  # those of the hub's client, torch, transformers and open_clip
        raise InputError(
            f"the text encoder {source} cannot be loaded: {in_short(str(error))}; look at the "
            "network and the files. Models with a tokenizer of Hugging Face, such as SigLIP and "
            "multilingual ones, need `pip install transformers sentencepiece`"
        ) from error
    return OpenClipTextEncoder(model, tokenizer)


def local_open_clip_weights(source: str) -> Path | None:
    """Return the local file of a source's weights, None if there is none; nothing is downloaded."""
    name = OpenClipName.parse(source)
    schema, _, address = name.model.partition(":")
    if schema == "local-dir":
        candidates = [Path(address, file) for file in _WEIGHT_FILES]
    elif name.weights and find_file(name.weights).is_file():
        candidates = [find_file(name.weights)]
    else:
        candidates = _hub_copies(name)
    return next((file for file in candidates if file.is_file()), None)


def _hub_copies(name: OpenClipName) -> list[Path]:
    """Return the files that the hub's client has downloaded of a model."""
    from huggingface_hub import try_to_load_from_cache
    from open_clip import get_pretrained_cfg

    repository, file = name.model.removeprefix("hf-hub:"), ""
    if name.weights:
        known = get_pretrained_cfg(name.model, name.weights).get("hf_hub", "")
        repository, _, file = known.rpartition("/")
    if not repository:
        return []
    files = (file,) if file else _WEIGHT_FILES
    cached = [try_to_load_from_cache(repository, file) for file in files]
    return [Path(path) for path in cached if isinstance(path, str)]


def _find_weights(name: OpenClipName) -> str:
    """Return a tag of the model, the path of a local file, or "" for addresses."""
    import open_clip

    if not name.weights:
        return ""
    if name.model not in open_clip.list_models():
        raise unknown_choice("open_clip model", name.model, open_clip.list_models())
    tags = open_clip.list_pretrained_tags_by_model(name.model)
    file = find_file(name.weights)
    if name.weights not in tags and not file.is_file():
        raise InputError(
            f"open_clip has no weights {name.weights!r} of {name.model}, and there is no such file; "
            f"choose {', '.join(tags) or 'a file'}"
        )
    return name.weights if name.weights in tags else str(file)
