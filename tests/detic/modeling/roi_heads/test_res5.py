"""C4 heads: one stage that classifies the proposals of an RPN."""

from dataclasses import replace

import pytest
import torch
from detectron2.structures import PolygonMasks
from detectron2.utils.events import EventStorage

from detic.annotation import AnnotationKind
from detic.modeling import build_detector
from detic.modeling.request import DetectionRequest, RequestedClasses
from detic.modeling.supervision import Supervision
from tests.detic.modeling.conftest import NUM_CLASSES, make_batch
from tests.detic.modeling.roi_heads.test_cascade import proposals


@pytest.fixture
def heads(small_recipe):
    torch.manual_seed(0)
    recipe = "Detic_OVCOCO_CLIP_R50_1x_max-size"
    return build_detector(small_recipe(recipe, "MODEL.RESNETS.RES2_OUT_CHANNELS", "16")).roi_heads


def features():
    torch.manual_seed(1)
    return {"res4": torch.randn(1, 64, 6, 6)}


@pytest.mark.parametrize(("kind", "trains"), [("box", "loss_cls"), ("image", "image_loss")])
def test_boxes_train_boxes_and_labels_train_the_classifier(heads, kind, trains):
    targets = [make_batch("box", 0, 1)[0]["instances"]]
    supervision = Supervision(AnnotationKind(kind), [[3]])
    with EventStorage() as storage:
        _, losses = heads.train()(None, features(), proposals(), targets, supervision=supervision)
    assert set(losses) == {"loss_cls", "loss_box_reg", "image_loss"}
    other = {"loss_cls": "image_loss", "image_loss": "loss_cls"}[trains]
    assert losses[other] == 0 < losses[trains]
    assert ("stats_l_image" in storage.latest()) == (kind == "image")


def test_the_mask_head_does_not_learn_from_boxes_that_stand_for_masks(small_recipe):
    torch.manual_seed(0)
    overrides = ("MODEL.RESNETS.RES2_OUT_CHANNELS", "16", "MODEL.MASK_ON", "True")
    model = build_detector(small_recipe("Detic_OVCOCO_CLIP_R50_1x_max-size", *overrides))

    def loss(masks, marks):
        targets = make_batch("box", 0, 1)[0]["instances"]
        targets.gt_masks, targets.gt_has_mask = masks, torch.tensor(marks)
        torch.manual_seed(3)
        with EventStorage():
            _, losses = model.roi_heads.train()(None, features(), proposals(), [targets])
        return losses["loss_mask"]

    whole = make_batch("box", 0, 1)[0]["instances"].gt_masks
    halves = PolygonMasks([[polygon / 2 for polygon in mask] for mask in whole.polygons])
    mixed = PolygonMasks([*whole.polygons[:3], *halves.polygons[3:]])
    assert loss(whole, [True] * 5) != loss(mixed, [True] * 5)
    some_marked = [True] * 3 + [False] * 2
    assert loss(whole, some_marked) == loss(mixed, some_marked) > 0


def test_proposal_scores_are_probabilities(heads):
    classes = RequestedClasses(torch.randn(512, 3), score_thresholds=torch.zeros(2))
    given = proposals()
    given[0].objectness_logits = torch.zeros(6)
    heads.eval()
    scores = []
    for multiply in (False, True):
        heads.score_params = replace(heads.score_params, multiply_proposal_score=multiply)
        with torch.no_grad():
            (found,), _ = heads(None, features(), given, request=DetectionRequest(classes))
        scores.append(found.scores)
    torch.testing.assert_close(scores[1].square(), 0.5 * scores[0])


def test_a_request_replaces_classes_and_limit(heads):
    heads.eval()
    classes = RequestedClasses(torch.randn(512, 3), score_thresholds=torch.zeros(2))
    request = DetectionRequest(classes, max_detections=2, region_embeddings=True)
    with torch.no_grad():
        (found,), _ = heads(None, features(), proposals(), request=request)
    assert len(found) == 2
    assert found.region_embeddings.shape == (2, 512)
    assert found.pred_classes.max() < 2
    assert heads.num_classes == NUM_CLASSES
