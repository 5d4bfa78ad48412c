"""Class names to vectors: prompts through the text encoder, remembered on disk.

Shapes: C classes, N texts, P prompts of all classes, D embedding width.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from detic.paths import cache_folder
from detic.progress import track
from detic.vocabulary.cache import EmbeddingCache
from detic.vocabulary.prompts import DEFAULT_TEMPLATE, fill_template, resolve_templates
from detic.vocabulary.text_encoder import read_text_encoder
from detic.vocabulary.text_weights import OPENAI
from detic.vocabulary.vocabulary import ClassEntry, EmbeddedVocabulary, Vocabulary

BATCH_SIZE = 256
PROGRESS_FROM = 257  # fewer texts are done before a bar is of use


def embed(
    vocabulary: Vocabulary,
    source: str | os.PathLike = OPENAI,
    templates: str | Iterable[str] = (DEFAULT_TEMPLATE,),
    cache_dir: str | os.PathLike | None = None,
    device: str = "cpu",
) -> EmbeddedVocabulary:
    """Return the vocabulary with embeddings.

    Args:
        vocabulary: the classes; their own prompts take precedence over ``templates``.
        source: the text encoder, as ``read_text_encoder`` takes it.
        templates: short names or texts with ``{}``; several are averaged.
        cache_dir: where embedded texts are remembered, ``$DETIC_CACHE`` if not given.
        device: where the text encoder runs.
    """
    return TextEmbedder(source, cache_dir=cache_dir, device=device).embed(vocabulary, templates)


class TextEmbedder:
    """Embedder of one vocabulary after the other, all with the same text encoder.

    The encoder is built when a text comes that the cache does not know, one of open_clip at once.

    Args:
        source: the text encoder, as ``read_text_encoder`` takes it.
        cache_dir: where embedded texts are remembered, ``$DETIC_CACHE`` if not given.
        device: where the text encoder runs.
    """

    def __init__(
        self,
        source: str | os.PathLike = OPENAI,
        *,
        cache_dir: str | os.PathLike | None = None,
        device: str = "cpu",
    ):
        self._weights = read_text_encoder(source)
        self.device = device
        self.model = self._weights.model
        self.fingerprint = self._weights.fingerprint
        self.embed_dim = self._weights.embed_dim
        self.cache = EmbeddingCache(cache_dir or cache_folder(), self.fingerprint)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the encoder, which is built of the weights when it is needed."""
        return {name: value for name, value in self.__dict__.items() if name != "text_encoder"}

    @cached_property
    def text_encoder(self) -> nn.Module:
        """The encoder on its device, in evaluation mode."""
        return self._weights.build().to(self.device)

    def embed(
        self, vocabulary: Vocabulary, templates: str | Iterable[str] = (DEFAULT_TEMPLATE,)
    ) -> EmbeddedVocabulary:
        """Return the vocabulary with embeddings, see ``embed``."""
        templates = resolve_templates(templates)
        prompts = [class_prompts(entry, templates) for entry in vocabulary.entries]
        features = self._features(list(chain.from_iterable(prompts)))
        return vocabulary.with_embeddings(merge_prompts(features, list(map(len, prompts))))

    def _features(self, prompts: Sequence[tuple[str, str]]) -> torch.Tensor:
        """Return (P, D) features of (template, name) pairs, encoding only unknown ones."""
        texts_by_template: dict[str, list[str]] = {}
        for template, text in dict.fromkeys(prompts):
            texts_by_template.setdefault(template, []).append(text)
        known = {
            template: self._remembered(template, texts)
            for template, texts in texts_by_template.items()
        }
        return torch.stack([known[template][text] for template, text in prompts])

    def _remembered(self, template: str, texts: Sequence[str]) -> Mapping[str, torch.Tensor]:
        known = self.cache.load(template)
        missing = [text for text in texts if text not in known]
        if not missing:
            return known
        sentences = [fill_template(template, text) for text in missing]
        fresh = dict(zip(missing, encode_texts(sentences, self.text_encoder), strict=True))
        self.cache.store(template, fresh)
        return {**known, **fresh}


def class_prompts(entry: ClassEntry, templates: Sequence[str]) -> list[tuple[str, str]]:
    """Return the prompts of a class as (template, name) pairs, each once.

    A class's own prompts replace the templates. One without ``{}`` is a sentence of its own,
    taken once however many synonyms there are.
    """
    templates = templates if entry.prompts is None else entry.prompts
    names = (entry.name, *entry.synonyms)
    pairs = [
        (template, name) if "{}" in template else ("{}", template)
        for template in templates
        for name in names
    ]
    return list(dict.fromkeys(pairs))


def merge_prompts(features: torch.Tensor, prompts_per_class: Sequence[int]) -> torch.Tensor:
    """Return one vector for each class from the features of its prompts.

    A single prompt keeps its feature as it is, like the released files. Several are normalised
    and averaged, so that each prompt counts the same whatever its length.

    Args:
        features: (P, D), the prompts of the first class, then those of the second...
        prompts_per_class: C counts, P in sum.

    Returns:
        (C, D), not normalised.
    """
    groups = features.split(list(prompts_per_class))
    return torch.stack(
        [group[0] if len(group) == 1 else F.normalize(group, dim=1).mean(dim=0) for group in groups]
    )


def encode_names(
    names: Sequence[str],
    text_encoder: nn.Module,
    templates: str | Iterable[str] = (DEFAULT_TEMPLATE,),
    batch_size: int = BATCH_SIZE,
    progress: bool | None = None,
) -> torch.Tensor:
    """Return (C, D) float32 embeddings of class names, on the CPU and without a cache.

    Args:
        names: C class names.
        text_encoder: an encoder in evaluation mode.
        templates: short names or texts with ``{}``; several are averaged.
        batch_size: texts that go through the encoder at once.
        progress: show a bar; if not said, from 257 texts on.
    """
    templates = resolve_templates(templates)
    sentences = [fill_template(template, name) for name in names for template in templates]
    features = encode_texts(sentences, text_encoder, batch_size, progress)
    return merge_prompts(features, [len(templates)] * len(names))


@torch.no_grad()
def encode_texts(
    texts: Sequence[str],
    text_encoder: nn.Module,
    batch_size: int = BATCH_SIZE,
    progress: bool | None = None,
) -> torch.Tensor:
    """Return (N, D) float32 features of texts, on the CPU; arguments as in ``encode_names``."""
    show = len(texts) >= PROGRESS_FROM if progress is None else progress
    # Texts of like length share a batch, as a batch costs what its longest text costs.
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    features = []
    for batch in track(batches, "embedding class names", unit="batch", show=show):
        features.append(text_encoder([texts[index] for index in batch]).float().cpu())
    inverse = torch.tensor(order).argsort()
    return torch.cat(features)[inverse]
