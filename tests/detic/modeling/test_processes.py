"""Steps of two processes whose batches are of different kinds. All share one job: its start is slow."""

import json

import pytest
import torch
from detectron2.engine import launch
from detectron2.utils import comm
from detectron2.utils.events import EventStorage

from detic.modeling import build_detector, meta_arch
from detic.modeling.captions import gather_captions
from tests.detic.modeling.conftest import make_batch
from tests.detic.modeling.detr.conftest import NO_SAMPLING, TINY
from tests.detic.modeling.detr.conftest import RECIPE as DETR
from tests.detic.modeling.test_captions import RECIPE as CAPTIONS
from tests.detic.modeling.test_captions import tiny_text_encoder

KINDS = {CAPTIONS: ("box", "captiontag"), DETR: ("box", "image")}  # of the two processes


def losses_of_a_step(cfg, kind, *object_counts):
    """The losses of a model on two images of a kind, all of whose parameters get a gradient."""
    meta_arch.build_text_encoder = tiny_text_encoder
    torch.manual_seed(0)
    model = build_detector(cfg).train()
    with EventStorage():
        losses = model(make_batch(kind, 0), *object_counts)
    sum(losses.values()).backward()
    return {name: float(loss.detach()) for name, loss in losses.items()}


def steps_of_a_process(recipes, folder):
    torch.set_num_threads(1)
    rank = comm.get_rank()
    own = torch.full((2 - rank, 3), float(rank))
    gathered, first = gather_captions(own)
    assert gathered.tolist() == [[0.0] * 3, [0.0] * 3, [1.0] * 3]
    assert first == (0, 2)[rank]
    losses = {name: losses_of_a_step(cfg, KINDS[name][rank]) for name, cfg in recipes.items()}
    (folder / f"{rank}.json").write_text(json.dumps(losses))


@pytest.mark.usefixtures("without_gpus")
def test_processes_with_batches_of_different_kinds_step_together(
    small_recipe, tmp_path, monkeypatch
):
    captions, detr = small_recipe(CAPTIONS), small_recipe(DETR, *TINY, *NO_SAMPLING)
    assert captions.MODEL.SYNC_CAPTION_BATCH
    launch(steps_of_a_process, 2, args=({CAPTIONS: captions, DETR: detr}, tmp_path))
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    for name in KINDS:
        assert first[name].keys() == second[name].keys()  # processes average them one by one
    monkeypatch.setattr(meta_arch, "build_text_encoder", None)  # restored after the steps set it

    loss = "image_loss_stage0"
    assert first[CAPTIONS][loss] == 0 < second[CAPTIONS][loss]
    alone = losses_of_a_step(captions, "captiontag")
    # The other process adds 2 x CAP_BATCH_RATIO empty captions, which are negatives.
    assert second[CAPTIONS][loss] > alone[loss]

    boxes, labels = first[DETR], second[DETR]
    assert boxes["loss_image"] == labels["loss_bbox"] == 0 < labels["loss_image"]
    alone = losses_of_a_step(detr, "box", torch.tensor([5.0]))  # the mean of 10 objects and of none
    for name in ("loss_ce", "loss_bbox_0", "loss_giou_enc"):
        assert boxes[name] == pytest.approx(alone[name], rel=1e-5)
