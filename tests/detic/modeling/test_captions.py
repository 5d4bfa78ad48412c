"""Captions as a classifier, alone and shared between processes."""

import json

import pytest
import torch
from detectron2.engine import launch
from detectron2.utils import comm
from detectron2.utils.events import EventStorage

from detic.modeling import build_detector, meta_arch
from detic.modeling.captions import encode_captions, gather_captions
from detic.vocabulary.text_encoder import CLIPTextEncoder
from tests.detic.modeling.conftest import make_batch


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


def losses_of_a_step(cfg, kind):
    """The losses of a model on two images of a kind, all of whose parameters get a gradient."""
    meta_arch.build_text_encoder = tiny_text_encoder
    torch.manual_seed(0)
    model = build_detector(cfg).train()
    with EventStorage():
        losses = model(make_batch(kind, 0))
    sum(losses.values()).backward()
    return {name: float(loss.detach()) for name, loss in losses.items()}


def check_two_processes(cfg, folder):
    rank = comm.get_rank()
    own = torch.full((2 - rank, 3), float(rank))
    gathered, first = gather_captions(own)
    assert gathered.tolist() == [[0.0] * 3, [0.0] * 3, [1.0] * 3]
    assert first == (0, 2)[rank]
    losses = losses_of_a_step(cfg, ("box", "captiontag")[rank])
    (folder / f"{rank}.json").write_text(json.dumps(losses))


@pytest.mark.usefixtures("without_gpus")
def test_processes_with_and_without_captions_step_together(small_recipe, tmp_path, monkeypatch):
    cfg = small_recipe("Detic_LbaseCCcapimg_CLIP_R5021k_640b64_4x_ft4x_max-size")
    assert cfg.MODEL.SYNC_CAPTION_BATCH
    launch(check_two_processes, 2, args=(cfg, tmp_path))
    boxes, captions = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert boxes.keys() == captions.keys()
    assert boxes["image_loss_stage0"] == 0 < captions["image_loss_stage0"]

    monkeypatch.setattr(meta_arch, "build_text_encoder", None)  # restored after the step sets it
    alone = losses_of_a_step(cfg, "captiontag")
    # The other process adds 2 x CAP_BATCH_RATIO empty captions, which are negatives.
    assert captions["image_loss_stage0"] > alone["image_loss_stage0"]


@pytest.mark.parametrize(("kind", "rows"), [("box", 6), ("image", 2), ("captiontag", 2)])
def test_batches_of_boxes_stand_for_larger_ones(small_recipe, monkeypatch, kind, rows):
    name = "Detic_LbaseCCcapimg_CLIP_R5021k_640b64_4x_ft4x_max-size"
    cfg = small_recipe(name, "MODEL.CAP_BATCH_RATIO", "3")
    monkeypatch.setattr(meta_arch, "build_text_encoder", tiny_text_encoder)
    sent = []
    monkeypatch.setattr(
        meta_arch, "gather_captions", lambda own: sent.append(len(own)) or gather_captions(own)
    )
    model = build_detector(cfg).train()
    with EventStorage():
        model(make_batch(kind, 0))
    assert sent == [rows]
