"""The detector as a whole: what is handed to its parts."""

import numpy as np
import pytest
import torch
from detectron2.utils.events import EventStorage

from detic.errors import InputError
from detic.modeling import build_detector
from detic.modeling.precision import PRECISIONS
from detic.modeling.request import DetectionRequest
from tests.detic.modeling.conftest import NUM_CLASSES, WHOLE, make_batch

RECIPE = "Detic_LCOCOI21k_CLIP_R18_640b32_4x_ft4x_max-size"


@pytest.fixture
def build(small_recipe):
    def build(*overrides):
        torch.manual_seed(0)
        return build_detector(small_recipe(RECIPE, *WHOLE, *overrides)).train()

    return build


def losses(model, batch, *arguments):
    torch.manual_seed(0)
    with EventStorage():
        return model(batch, *arguments)


def test_counts_of_objects_normalise_the_proposal_losses(build):
    model, batch = build(), make_batch("box", 0)
    own = losses(model, batch)
    shared = losses(model, batch, 2 * model.count_targets(batch))
    name = "loss_centernet_agn_pos"
    torch.testing.assert_close(shared[name], own[name] / 2)
    torch.testing.assert_close(shared["loss_cls_stage0"], own["loss_cls_stage0"])


def test_images_without_boxes_do_not_train_the_proposals(build):
    model = build()
    found = losses(model, make_batch("image", 1))
    assert all(value == 0 for name, value in found.items() if "centernet" in name)
    sum(found.values()).backward()
    # They have gradients, as in every batch.
    assert not any(p.grad.any() for p in model.proposal_generator.parameters())


def test_losses_weigh_what_their_dataset_does(build):
    batch = make_batch("box", 1)
    plain = losses(build(), batch)
    weighed = losses(build("MODEL.DATASET_LOSS_WEIGHT", "[1.0, 3.0]"), batch)
    for name, value in plain.items():
        torch.testing.assert_close(weighed[name], 3 * value)


def test_nothing_is_background_in_excluded_boxes(build):
    batch = make_batch("box", 0)
    for example in batch:
        example["instances"] = example["instances"][:0]
    excluded = 9999 * torch.tensor([[-1.0, -1.0, 1.0, 1.0]])  # proposals leave the image
    costly = ("loss_centernet_agn_neg", *(f"loss_cls_stage{k}" for k in range(3)))
    model = build()
    one = losses(model, [batch[0] | {"excluded_boxes": excluded}, batch[1]])
    both = losses(model, [x | {"excluded_boxes": excluded} for x in batch])
    plain = losses(model, batch)
    for name in costly:
        assert plain[name] > 0
        assert both[name] == 0
    assert 0 < one[costly[0]] < plain[costly[0]]


def test_classes_without_labels_cost_nothing(build):
    model, batch = build(), make_batch("box", 0)
    every, none = np.ones(NUM_CLASSES, dtype=bool), np.zeros(NUM_CLASSES, dtype=bool)
    plain = losses(model, batch)
    assert losses(model, [x | {"labelled_classes": every} for x in batch]) == plain
    found = losses(model, [x | {"labelled_classes": none} for x in batch])
    assert all(found[f"loss_cls_stage{k}"] == 0 for k in range(3))
    half = losses(model, [batch[0] | {"labelled_classes": none}, batch[1]])
    assert 0 < half["loss_cls_stage0"] < plain["loss_cls_stage0"]


def test_a_batch_of_two_kinds_is_a_defect_of_the_loader(build):
    mixed = [make_batch("box", 0)[0], make_batch("image", 0)[1]]
    with pytest.raises(AssertionError, match="mixes annotation types"):
        losses(build(), mixed)


def test_sampling_classes_excludes_the_federated_loss(build):
    with pytest.raises(InputError, match="DYNAMIC_CLASSIFIER samples classes itself"):
        build("MODEL.DYNAMIC_CLASSIFIER", "True", "MODEL.ROI_BOX_HEAD.USE_FED_LOSS", "True")


def test_captions_and_names_need_one_text_encoder(build):
    with pytest.raises(InputError, match=r"WITH_CAPTION True .* is 'other\.pt'"):
        build("MODEL.WITH_CAPTION", "True", "MODEL.TEXT_ENCODER.WEIGHTS", "other.pt")


def test_detection_leaves_the_model_as_it_was(build):
    model = build().eval()
    images = [{"image": x["image"]} for x in make_batch("box", 0)]
    before = model.inference(images)[0]["instances"]
    model.inference(images, DetectionRequest(max_detections=1, precision=PRECISIONS["bf16"]))
    after = model.inference(images)[0]["instances"]
    assert torch.equal(before.scores, after.scores)
