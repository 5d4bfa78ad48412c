import pytest
import torch
from detectron2.config import get_cfg
from detectron2.utils import comm

from centernet.config import add_centernet_config
from centernet.head import HeadOutput
from centernet.losses import FocalParams
from centernet.proposal_losses import LossParams, count_objects, flatten_levels, proposal_losses
from centernet.targets import NO_OBJECT, CenterNetTargets

# Three cells: one with a perfectly predicted box, whose heat target is 0.5, and two without.
TARGETS = CenterNetTargets(
    positive_inds=torch.tensor([0]),
    labels=torch.tensor([0]),
    ltrb=torch.tensor([[1.0, 1.0, 1.0, 1.0], [NO_OBJECT] * 4, [NO_OBJECT] * 4]),
    heatmap=torch.tensor([[0.5], [0.0], [0.0]]),
)
REGRESSED_INDS = torch.tensor([0])


def output(ltrb=1.0):
    """Return a level of three cells whose heat is 0.5 everywhere."""
    return HeadOutput(None, torch.full((1, 4, 1, 3), ltrb), torch.zeros(1, 1, 1, 3))


def losses(outputs=None, counts=(1.0, 1.0), **params):
    focal = FocalParams(alpha=-1.0, beta=1.0, gamma=1.0)
    return proposal_losses(
        outputs or [output()],
        TARGETS,
        REGRESSED_INDS,
        torch.tensor(counts),
        focal,
        LossParams(**params),
    )


def test_counts_are_positives_and_box_weights():
    assert count_objects(TARGETS, LossParams()).tolist() == [1.0, 1.0]
    assert count_objects(TARGETS, LossParams(weigh_boxes_by_heat=True)).tolist() == [1.0, 0.5]


def test_heat_losses_are_those_computed_by_hand():
    found = losses(pos_weight=3.0, neg_weight=2.0)
    half = 0.5 * torch.tensor(2.0).log()  # -log(0.5) * 0.5
    torch.testing.assert_close(found["loss_centernet_agn_pos"], 3 * half)
    torch.testing.assert_close(found["loss_centernet_agn_neg"], 2 * half * (0.5 + 1 + 1))


def test_only_cells_with_an_object_cost_box_loss():
    assert losses()["loss_centernet_loc"] == 0
    # IoU of 2 x 2 and 4 x 4 boxes, smoothed by 1: 5 / 17
    wide = losses([output(ltrb=2.0)], box_loss="linear_iou", reg_weight=2.0)
    torch.testing.assert_close(wide["loss_centernet_loc"], torch.tensor(2 * (1 - 5 / 17)))


def test_counts_divide_but_never_below_one():
    plain, shared, none = losses(), losses(counts=(4.0, 1.0)), losses(counts=(0.0, 0.0))
    torch.testing.assert_close(
        shared["loss_centernet_agn_neg"] * 4, plain["loss_centernet_agn_neg"]
    )
    assert none["loss_centernet_agn_pos"] == plain["loss_centernet_agn_pos"]


def test_cells_are_flattened_level_by_level_and_row_by_row():
    levels = [torch.arange(8.0).view(1, 2, 2, 2), 100 + torch.arange(2.0).view(1, 2, 1, 1)]
    assert flatten_levels(levels).tolist() == [[0, 4], [1, 5], [2, 6], [3, 7], [100, 101]]


@pytest.fixture
def two_processes(monkeypatch):
    """Another process has 6 positives and boxes of weight 2."""
    monkeypatch.setattr(comm, "get_world_size", lambda: 2)
    monkeypatch.setattr(
        torch.distributed, "all_reduce", lambda counts: counts.add_(torch.tensor([6.0, 2.0]))
    )


def test_processes_share_the_mean_of_their_counts(two_processes):
    wide = [output(ltrb=2.0)]
    shared, own = losses(wide, counts=(2.0, 4.0)), losses(wide, average_over_ranks=False)
    mean_counts = {
        "loss_centernet_loc": 3,
        "loss_centernet_agn_pos": 4,
        "loss_centernet_agn_neg": 4,
    }
    for name, count in mean_counts.items():
        torch.testing.assert_close(shared[name], own[name] / count)


def test_counts_that_are_handed_in_stay_as_they_are(two_processes):
    counts = torch.tensor([2.0, 4.0])
    proposal_losses([output()], TARGETS, REGRESSED_INDS, counts, FocalParams(), LossParams())
    assert counts.tolist() == [2, 4]


def test_no_reduce_is_the_opposite_of_averaging():
    cfg = get_cfg()
    add_centernet_config(cfg)
    assert LossParams.from_config(cfg).average_over_ranks
    cfg.MODEL.CENTERNET.NO_REDUCE = True
    assert not LossParams.from_config(cfg).average_over_ranks
