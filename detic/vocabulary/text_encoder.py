"""CLIP's text encoder: texts in, one feature vector each out.

Shapes: N texts, T context length, L tokens of the longest text, W width, D embedding width.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import nn

from detic.errors import InputError
from detic.vocabulary.open_clip_encoder import OpenClipName, is_open_clip, load_open_clip
from detic.vocabulary.text_weights import (
    OPENAI,
    OPENAI_MODEL,
    read_text_weights,
    text_encoder_sizes,
    weights_fingerprint,
)

# The token table starts with 256 bytes, twice (inside and at the end of a word), and ends with
# the start and the end token; merges of the byte-pair encoding lie between.
NUM_BYTE_TOKENS = 512
NUM_SPECIAL_TOKENS = 2


@lru_cache(maxsize=4)
def clip_tokenizer(vocab_size: int):
    """Return CLIP's byte-pair tokenizer, cut to its first ``vocab_size - 514`` merges.

    Merges are ordered by frequency, so a smaller vocabulary splits rare words into more pieces
    and keeps the ids of all other tokens; the start and end tokens take the last two ids.
    """
    from open_clip import SimpleTokenizer

    tokenizer = SimpleTokenizer()
    smallest = NUM_BYTE_TOKENS + NUM_SPECIAL_TOKENS
    if not smallest <= vocab_size <= tokenizer.vocab_size:
        raise InputError(
            f"a text encoder of {vocab_size} tokens does not fit CLIP's tokenizer; expected "
            f"{smallest} to {tokenizer.vocab_size}, so its weights belong to another tokenizer"
        )
    num_kept = vocab_size - NUM_SPECIAL_TOKENS
    start, end = (tokenizer.decoder[token_id] for token_id in tokenizer.all_special_ids)
    kept = {token: token_id for token, token_id in tokenizer.encoder.items() if token_id < num_kept}
    tokenizer.encoder = {**kept, start: num_kept, end: num_kept + 1}
    tokenizer.decoder = {token_id: token for token, token_id in tokenizer.encoder.items()}
    num_merges = num_kept - NUM_BYTE_TOKENS
    tokenizer.bpe_ranks = {
        pair: rank for pair, rank in tokenizer.bpe_ranks.items() if rank < num_merges
    }
    tokenizer.vocab_size = vocab_size
    tokenizer.all_special_ids = [num_kept, num_kept + 1]
    tokenizer.sot_token_id, tokenizer.eot_token_id = tokenizer.all_special_ids
    return tokenizer


class CLIPTextEncoder(nn.Module):
    """CLIP's causal transformer for texts; the defaults are those of ViT-B/32.

    The state dict has the names of OpenAI's CLIP without ``visual.*`` and ``logit_scale``.

    Args:
        context_length: tokens of one text, start and end token included (T).
        vocab_size: rows of the token table.
        width: channels of the transformer (W).
        heads: attention heads; OpenAI's models have ``width // 64``.
        layers: transformer blocks.
        embed_dim: channels of the feature (D).

    Source: Radford et al., Learning Transferable Visual Models From Natural Language
    Supervision (arXiv 2103.00020), section 2.4.
    """

    causal_mask: torch.Tensor  # (T, T)

    def __init__(
        self,
        *,
        context_length: int = 77,
        vocab_size: int = 49408,
        width: int = 512,
        heads: int = 8,
        layers: int = 12,
        embed_dim: int = 512,
    ):
        from open_clip.transformer import QuickGELU, TextTransformer

        super().__init__()
        tower = TextTransformer(
            context_length=context_length,
            vocab_size=vocab_size,
            width=width,
            heads=heads,
            layers=layers,
            output_dim=embed_dim,
            act_layer=QuickGELU,
        )
        self.context_length = context_length
        self.vocab_size = vocab_size
        self.token_embedding = tower.token_embedding
        self.positional_embedding = tower.positional_embedding
        self.transformer = tower.transformer
        self.ln_final = tower.ln_final
        self.text_projection = tower.text_projection
        self.register_buffer("causal_mask", tower.attn_mask, persistent=False)

    def forward(self, texts: list[str]) -> torch.Tensor:
        """Return the features of texts, not normalised.

        Returns:
            (N, D) float; the transformer's output at the end token times the text projection.
        """
        if not texts:
            return self.text_projection.new_zeros(0, self.text_projection.shape[1])
        tokens = self.tokenize(texts)
        # Attention looks back only, so the padding behind the longest text can be left away.
        longest = int(tokens.argmax(dim=1).max()) + 1
        return self.encode_tokens(tokens[:, :longest].to(self.text_projection.device))

    def encode_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (N, D) features of (N, L) int64 token ids, L up to the context length.

        The end token is recognised as the largest id of its row.
        """
        length = tokens.shape[1]
        x = self.token_embedding(tokens) + self.positional_embedding[:length]  # (N, L, W)
        x = self.transformer(x, attn_mask=self.causal_mask[:length, :length])
        x = self.ln_final(x)
        rows = torch.arange(tokens.shape[0], device=tokens.device)
        return x[rows, tokens.argmax(dim=1)] @ self.text_projection

    def tokenize(self, texts: list[str]) -> torch.Tensor:
        """Return (N, T) int64 token ids on the CPU: start, words, end, zeros.

        A text that does not fit keeps its start and end token; of its words the first ones stay,
        or in training mode a random run of them.
        """
        tokenizer = clip_tokenizer(self.vocab_size)
        tokens = torch.zeros(len(texts), self.context_length, dtype=torch.int64)
        for row, text in zip(tokens, texts, strict=True):
            words = self._fit_words(tokenizer.encode(text))
            ids = [tokenizer.sot_token_id, *words, tokenizer.eot_token_id]
            row[: len(ids)] = torch.tensor(ids)
        return tokens

    def _fit_words(self, words: list[int]) -> list[int]:
        num_kept = self.context_length - NUM_SPECIAL_TOKENS
        surplus = len(words) - num_kept
        # The released caption models were trained with random windows of long captions, so
        # training cuts at random; inference has to give the same answer twice.
        start = int(torch.randint(surplus + 1, ())) if self.training and surplus > 0 else 0
        return words[start : start + num_kept]


@dataclass(frozen=True, eq=False)
class TextEncoderWeights:
    """A text encoder that has been read but not built, and what identifies it."""

    model: str  # in words
    fingerprint: str  # of the weights
    embed_dim: int  # D
    build: Callable[[], nn.Module]  # in evaluation mode; texts to features (N, D)


def read_text_encoder(source: str | os.PathLike = OPENAI) -> TextEncoderWeights:
    """Return the text encoder of a source.

    Args:
        source: ``openai`` or a weights file, see ``detic.vocabulary.text_weights``; or a model of
            open_clip, see ``detic.vocabulary.open_clip_encoder``.
    """
    if is_open_clip(source):
        encoder = load_open_clip(os.fspath(source))
        model = OpenClipName.parse(os.fspath(source)).short
        build = partial(_itself, encoder)
        return TextEncoderWeights(model, encoder.fingerprint, encoder.embed_dim, build)
    weights = read_text_weights(source)
    return TextEncoderWeights(
        model=OPENAI_MODEL if os.fspath(source) == OPENAI else Path(source).name,
        fingerprint=weights_fingerprint(weights),
        embed_dim=text_encoder_sizes(weights).embed_dim,
        build=partial(text_encoder_from_weights, weights),
    )


def load_text_encoder(source: str | os.PathLike = OPENAI) -> nn.Module:
    """Return the text encoder of a source, in evaluation mode, see ``read_text_encoder``."""
    return read_text_encoder(source).build()


def _itself(encoder: nn.Module) -> nn.Module:
    return encoder


def text_encoder_from_weights(weights: Mapping[str, torch.Tensor]) -> CLIPTextEncoder:
    """Return a text encoder made of these tensors, in evaluation mode; they imply its sizes."""
    encoder = CLIPTextEncoder(**asdict(text_encoder_sizes(weights)))
    encoder.load_state_dict(weights, assign=True)  # share them, a copy would take twice the memory
    return encoder.eval()


def build_text_encoder(pretrain: bool = True) -> CLIPTextEncoder:
    """Return CLIP ViT-B/32's text encoder.

    Args:
        pretrain: load OpenAI's weights; otherwise the values are random and no file is touched.
    """
    return text_encoder_from_weights(read_text_weights(OPENAI)) if pretrain else CLIPTextEncoder()
