"""Class embeddings as the released files have them: not normalised, float16.

Shapes: C classes, N sentences, D embedding width.
"""

from collections.abc import Sequence

import torch
from torch import nn

from detic.errors import InputError
from detic.vocabulary.embedding import encode_texts
from detic.vocabulary.prompts import NAME_REWRITES, fill_template, resolve_template


def class_sentences(
    categories: Sequence[dict],
    template: str,
    rewrites: Sequence[str] = (),
    *,
    all_synonyms: bool = False,
) -> list[list[str]]:
    """Return the sentences of each class, one unless all synonyms are wanted.

    Args:
        categories: with ``name``, and ``synonyms`` if they are wanted.
        template: a short name of ``detic.vocabulary.prompts.TEMPLATES`` or a text with ``{}``.
        rewrites: keys of ``NAME_REWRITES``, applied in order; synonyms are never rewritten.
        all_synonyms: a sentence for each synonym instead of one for the name.

    Raises:
        InputError: synonyms are wanted, and a class has none.
    """
    template = resolve_template(template)
    return [
        [fill_template(template, name) for name in _names(category, rewrites, all_synonyms)]
        for category in categories
    ]


def _names(category: dict, rewrites: Sequence[str], all_synonyms: bool) -> list[str]:
    if all_synonyms:
        if not category.get("synonyms"):
            raise InputError(f"class '{category['name']}' has no synonyms to average over")
        return category["synonyms"]
    name = category["name"]
    for rewrite in rewrites:
        name = NAME_REWRITES[rewrite](name)
    return [name]


def class_embeddings(sentences: Sequence[Sequence[str]], text_encoder: nn.Module) -> torch.Tensor:
    """Return the mean feature of each class's sentences, not normalised, (C, D) float16."""
    features = encode_texts([text for texts in sentences for text in texts], text_encoder)
    groups = features.split([len(texts) for texts in sentences])
    return torch.stack([group.mean(dim=0) for group in groups]).half()
