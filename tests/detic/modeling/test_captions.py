"""Captions as a classifier."""

import pytest
import torch
from detectron2.utils.events import EventStorage

from detic.modeling import build_detector, meta_arch
from detic.modeling.captions import encode_captions, gather_captions
from detic.vocabulary.text_encoder import CLIPTextEncoder
from tests.detic.modeling.conftest import make_batch

RECIPE = "Detic_LbaseCCcapimg_CLIP_R5021k_640b64_4x_ft4x_max-size"


def lengths(texts):
    return torch.tensor([[len(text), 1] for text in texts], dtype=torch.float16)


def test_each_image_has_one_of_its_captions():
    torch.manual_seed(0)
    options = [["a", "bb"], ["cccc"]]
    drawn = [encode_captions(options, lengths)[:, 0].tolist() for _ in range(20)]
    assert {tuple(d) for d in drawn} == {(1, 4), (2, 4)}
    assert encode_captions(options, lengths).dtype == torch.float32


def test_one_process_contrasts_its_own_captions():
    own = torch.randn(3, 4)
    gathered, first = gather_captions(own)
    assert torch.equal(gathered, own)
    assert first == 0


def tiny_text_encoder():
    torch.manual_seed(0)
    return CLIPTextEncoder(width=64, heads=1, layers=1, vocab_size=1024, embed_dim=512)


@pytest.mark.parametrize(("kind", "rows"), [("box", 6), ("image", 2), ("captiontag", 2)])
def test_batches_of_boxes_stand_for_larger_ones(small_recipe, monkeypatch, kind, rows):
    cfg = small_recipe(RECIPE, "MODEL.CAP_BATCH_RATIO", "3")
    monkeypatch.setattr(meta_arch, "build_text_encoder", tiny_text_encoder)
    sent = []
    monkeypatch.setattr(
        meta_arch, "gather_captions", lambda own: sent.append(len(own)) or gather_captions(own)
    )
    model = build_detector(cfg).train()
    with EventStorage():
        model(make_batch(kind, 0))
    assert sent == [rows]
