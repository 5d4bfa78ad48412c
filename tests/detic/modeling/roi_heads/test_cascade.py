"""Cascade heads: what each stage refines, and what each kind of batch trains."""

import pytest
import torch
from detectron2.layers import NaiveSyncBatchNorm, batch_norm
from detectron2.structures import Boxes, Instances, PolygonMasks
from detectron2.utils import comm
from detectron2.utils.events import EventStorage

from detic.annotation import AnnotationKind
from detic.modeling import build_detector
from detic.modeling.request import DetectionRequest, RequestedClasses
from detic.modeling.roi_heads.cascade import _refined_proposals
from detic.modeling.supervision import Supervision
from tests.detic.modeling.conftest import NUM_CLASSES, SIDE, WHOLE, make_batch

RECIPE = "Detic_LCOCOI21k_CLIP_R18_640b32_4x_ft4x_max-size"


@pytest.fixture
def heads(small_recipe):
    torch.manual_seed(0)
    return build_detector(small_recipe(RECIPE, *WHOLE)).roi_heads


def features(**options):
    torch.manual_seed(1)
    return {f"p{k}": torch.randn(1, 64, SIDE >> k, SIDE >> k, **options) for k in (3, 4, 5)}


def proposals(count=6):
    corners = torch.rand(count, 2, generator=torch.Generator().manual_seed(2)) * 40
    boxes = Boxes(torch.cat([corners, corners + 40], dim=1))
    logits = torch.linspace(0.9, 0.1, count)
    return [Instances((SIDE, SIDE), proposal_boxes=boxes, objectness_logits=logits)]


def train(heads, kind, image_labels=((3,),)):
    targets = [make_batch("box", 0, 1)[0]["instances"]]
    with EventStorage() as storage:
        _, losses = heads.train()(
            *(None, features(), proposals(), targets),
            supervision=Supervision(AnnotationKind(kind), list(image_labels)),
        )
    return losses, set(storage.latest())


def test_refined_boxes_are_cut_to_the_image_and_empty_ones_go():
    previous = [
        Instances(
            (10, 10), proposal_boxes=Boxes(torch.zeros(2, 4)), objectness_logits=torch.ones(2)
        )
    ]
    boxes = [torch.tensor([[-5.0, 2.0, 5.0, 30.0], [20.0, 0.0, 30.0, 5.0]])]
    (kept,) = _refined_proposals(boxes, previous, drop_empty=True)
    assert kept.proposal_boxes.tensor.tolist() == [[0.0, 2.0, 5.0, 10.0]]
    (all_of_them,) = _refined_proposals(boxes, previous, drop_empty=False)
    assert len(all_of_them) == 2


def test_stages_average_their_gradients_on_the_maps(heads):
    maps = features(requires_grad=True)
    heads.train()
    heads.num_cascade_stages, plain = 1, heads.num_cascade_stages
    gradients = []
    for divisor in (1, plain):
        heads.num_cascade_stages = divisor
        (stage, *_) = heads._run_stages(maps, proposals(), None)
        gradients.append(torch.autograd.grad(stage.x.sum(), maps["p3"])[0])
    torch.testing.assert_close(gradients[1], gradients[0] / plain)


def test_each_stage_looks_at_the_boxes_of_the_one_before(heads):
    with torch.no_grad():
        stages = heads.eval()._run_stages(features(), proposals(), None)
    refined = heads.box_predictor[0].refine_boxes(stages[0].deltas, stages[0].proposals)[0]
    after = Boxes(refined)
    after.clip((SIDE, SIDE))
    torch.testing.assert_close(stages[1].proposals[0].proposal_boxes.tensor, after.tensor)


@pytest.mark.parametrize(("training", "count"), [(True, 5), (False, 6)])
def test_boxes_that_become_empty_are_dropped_in_training_alone(heads, monkeypatch, training, count):
    first = heads.box_predictor[0]
    outside = proposals()[0].proposal_boxes.tensor.clone()
    outside[2] += 2 * SIDE
    monkeypatch.setattr(first, "refine_boxes", lambda deltas, boxes: [outside])
    with torch.no_grad():
        stages = heads.train(training)._run_stages(features(), proposals(), None)
    assert [len(stage.x) for stage in stages] == [6, count, count]


def test_boxes_train_class_box_and_mask_of_all_stages(heads):
    losses, _ = train(heads, "box")
    stages = {f"{n}_stage{k}" for n in ("loss_cls", "loss_box_reg", "image_loss") for k in range(3)}
    assert set(losses) == stages | {"loss_mask"}
    assert all(losses[f"image_loss_stage{k}"] == 0 for k in range(3))
    assert losses["loss_mask"] > 0


def ignoring(heads, given, excluded):
    """Return the losses of proposals in an image with one object, at its lower right corner."""
    truth = make_batch("box", 0, 1)[0]["instances"][:1]
    truth.gt_boxes = Boxes(torch.tensor([[86.0, 86.0, 96.0, 96.0]]))
    supervision = Supervision(excluded_boxes=[torch.tensor([excluded])])
    torch.manual_seed(0)  # what is drawn for the federated loss
    with EventStorage():
        return heads.train()(None, features(), given, [truth], supervision=supervision)[1]


def test_proposals_in_ignore_regions_train_nothing(heads):
    everywhere = [0.0, 0.0, SIDE, SIDE]
    given = proposals()
    assert ignoring(heads, given, everywhere) == ignoring(heads, [given[0][:0]], everywhere)
    assert ignoring(heads, given, [0.0, 0.0, 1.0, 1.0]) != ignoring(heads, given, everywhere)


def test_boxes_that_come_to_an_ignore_region_train_nothing_there(heads, monkeypatch):
    def moved(deltas, given):
        return [torch.tensor([[4.0, 4.0, 20.0, 20.0]]).expand(len(deltas), 4)]

    monkeypatch.setattr(heads.box_predictor[0], "refine_boxes", moved)
    monkeypatch.setattr(heads.box_predictor[1], "refine_boxes", moved)
    losses = ignoring(heads, [proposals()[0][:0]], [0.0, 0.0, 30.0, 30.0])
    assert losses["loss_cls_stage0"] > 0  # of the object itself
    assert losses["loss_cls_stage1"] == losses["loss_cls_stage2"] == 0


def test_unsure_objects_weigh_less_in_all_stages(heads):
    def losses(*score):
        truth = make_batch("box", 0, 1)[0]["instances"]
        if score:
            truth.gt_score = torch.full((len(truth),), *score)
        torch.manual_seed(0)
        with EventStorage():
            return heads.train()(None, features(), [proposals()[0][:0]], [truth])[1]

    plain, sure, unsure = losses(), losses(1.0), losses(0.25)
    for k in range(3):
        name = f"loss_box_reg_stage{k}"
        torch.testing.assert_close(sure[name], plain[name])
        torch.testing.assert_close(unsure[name], plain[name] / 4)
    assert unsure["loss_cls_stage0"] < plain["loss_cls_stage0"]
    torch.testing.assert_close(unsure["loss_mask"], plain["loss_mask"])


def test_masks_have_a_weight(heads):
    whole, _ = train(heads, "box")
    heads.mask_weight = heads.mask_weight / 4
    quarter, _ = train(heads, "box")
    torch.testing.assert_close(quarter["loss_mask"], whole["loss_mask"] / 4)


def test_the_mask_head_does_not_learn_from_boxes_that_stand_for_masks(heads):
    def loss(masks, marks):
        targets = make_batch("box", 0, 1)[0]["instances"]
        targets.gt_masks, targets.gt_has_mask = masks, torch.tensor(marks)
        torch.manual_seed(3)
        with EventStorage():
            _, losses = heads.train()(None, features(), proposals(), [targets])
        return losses["loss_mask"]

    whole = make_batch("box", 0, 1)[0]["instances"].gt_masks
    halves = PolygonMasks([[polygon / 2 for polygon in mask] for mask in whole.polygons])
    mixed = PolygonMasks([*whole.polygons[:3], *halves.polygons[3:]])
    all_marked, some_marked = [True] * 5, [True] * 3 + [False] * 2
    assert loss(whole, all_marked) != loss(mixed, all_marked)
    assert loss(whole, some_marked) == loss(mixed, some_marked) > 0
    assert loss(whole, [False] * 5) == 0


def test_image_labels_train_the_classifier_of_all_stages_and_are_reported(heads):
    losses, reported = train(heads, "image")
    assert all(losses[f"image_loss_stage{k}"] > 0 for k in range(3))
    assert losses["loss_mask"] == losses["loss_cls_stage0"] == 0
    assert {f"stage{k}/stats_l_image" for k in range(3)} <= reported


def test_boxes_without_classes_train_no_stage(heads):
    losses, _ = train(heads, "prop")
    assert set(losses) == {"loss_mask"}


def test_scores_of_proposals_go_before_their_logits(heads):
    classes = RequestedClasses(torch.randn(512, 3), score_thresholds=torch.zeros(2))
    with_scores = proposals()
    with_scores[0].scores = torch.zeros(6)  # the geometric mean with it is 0
    heads.eval()
    found = []
    for given in (proposals(), with_scores):
        with torch.no_grad():
            (detections,), _ = heads(None, features(), given, request=DetectionRequest(classes))
        found.append(len(detections))
    assert heads.score_params.multiply_proposal_score
    assert found[0] > 0 == found[1]


def test_a_request_replaces_classes_and_limit(heads):
    classes = RequestedClasses(torch.randn(512, 3), score_thresholds=torch.zeros(2))
    heads.eval()
    with torch.no_grad():
        (few,), _ = heads(
            *(None, features(), proposals()),
            request=DetectionRequest(classes, max_detections=1, class_scores=True),
        )
        (own,), _ = heads(None, features(), proposals())
    assert len(few) == 1
    assert few.class_scores.shape == (1, 2)
    assert own.pred_classes.max() < NUM_CLASSES
    assert heads.num_classes == NUM_CLASSES


def one_stage_heads(small_recipe):
    torch.manual_seed(0)
    return build_detector(small_recipe("Detic_ViLD_200e")).roi_heads


def rows_of_norms(head):
    """Return a list to which each norm of a head that processes share adds its number of rows."""
    rows = []
    for module in head.modules():
        if isinstance(module, NaiveSyncBatchNorm):
            module.register_forward_hook(lambda module, inputs, output: rows.append(len(output)))
    return rows


def test_one_stage_has_the_losses_of_one_stage(small_recipe):
    heads = one_stage_heads(small_recipe)
    maps = features() | {"p2": torch.randn(1, 64, SIDE >> 2, SIDE >> 2)}
    targets = [make_batch("box", 0, 1)[0]["instances"]]
    with EventStorage():
        _, losses = heads.train()(None, maps, proposals(), targets)
    names = {"loss_cls_stage0", "loss_box_reg_stage0", "image_loss_stage0", "loss_mask"}
    assert set(losses) == names


@pytest.mark.parametrize(("world_size", "calls"), [(1, 0), (2, 4)])
def test_norms_of_the_mask_head_meet_those_of_processes_with_masks(
    small_recipe, monkeypatch, world_size, calls
):
    heads = one_stage_heads(small_recipe)
    maps = features() | {"p2": torch.randn(1, 64, SIDE >> 2, SIDE >> 2)}
    monkeypatch.setattr(comm, "get_world_size", lambda: world_size)
    monkeypatch.setattr(batch_norm, "differentiable_all_reduce", lambda x: x)  # alone in its world
    met = rows_of_norms(heads.mask_head)
    labels = Supervision(AnnotationKind.IMAGE, [(3,)])
    with EventStorage():
        _, losses = heads.train()(None, maps, proposals(), None, supervision=labels)
    assert met == [0] * calls
    assert losses["loss_mask"] == 0
    assert losses["loss_mask"].requires_grad == (calls > 0)  # the backward pass meets them, too


@pytest.mark.parametrize("kind", [AnnotationKind.PROPOSAL, AnnotationKind.PROPOSAL_AND_TAGS])
def test_batches_that_train_no_box_head_meet_the_processes_whose_batches_do(
    small_recipe, monkeypatch, kind
):
    heads = one_stage_heads(small_recipe)
    maps = features() | {"p2": torch.randn(1, 64, SIDE >> 2, SIDE >> 2)}
    monkeypatch.setattr(comm, "get_world_size", lambda: 2)
    monkeypatch.setattr(batch_norm, "differentiable_all_reduce", lambda x: x)  # alone in its world
    met = rows_of_norms(heads.box_head)
    targets = [make_batch("box", 0, 1)[0]["instances"]]
    with EventStorage():
        _, losses = heads.train()(
            *(None, maps, proposals(), targets), supervision=Supervision(kind, [(3,)])
        )
    assert met == [0] * 4
    names = {"loss_cls_stage0", "loss_box_reg_stage0", "image_loss_stage0"}
    assert set(losses) == {*names, "loss_mask"}  # those of other batches
    assert all(losses[name] == 0 and losses[name].requires_grad for name in names)
