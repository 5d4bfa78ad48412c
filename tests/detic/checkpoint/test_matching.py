import pytest
import torch

from detic.checkpoint.matching import (
    absent_from_classifiers,
    backbone_part,
    fit_tensors,
)

from .conftest import distinct

STAGE = "roi_heads.box_predictor.0."


def test_tensors_of_the_same_name_and_shape_fit():
    model = distinct({"a": (2,), "b": (2, 1), "c": (3,)})
    fit = fit_tensors({"a": model["a"], "b": torch.zeros(2), "d": torch.zeros(1)}, model)
    assert list(fit.tensors) == ["a"]
    assert fit.missing == ("c",)
    assert [str(m) for m in fit.mismatched] == ["b is (2,) in the file and (2, 1) in the model"]
    assert fit.unexpected == ("d",)


@pytest.mark.parametrize(("file_shape", "model_shape"), [((), (1,)), ((1,), ())])
def test_scalars_fit_with_or_without_an_axis(file_shape, model_shape):
    fit = fit_tensors({"s": torch.full(file_shape, 2.0)}, {"s": torch.zeros(model_shape)})
    assert fit.tensors["s"].shape == model_shape
    assert float(fit.tensors["s"]) == 2.0


@pytest.mark.parametrize(
    "name",
    [
        "pixel_mean",
        "pixel_std",
        "backbone.bottom_up.base.bn1.num_batches_tracked",
        "backbone.bottom_up.base.fc.weight",
        "backbone.bottom_up.layers.0.blocks.0.attn.relative_position_index",
        "proposal_generator.anchor_generator.cell_anchors.0",
        "roi_heads.box_predictor.freq_weight",  # of the C4 heads
        STAGE + "freq_weight",
        STAGE + "cls_score.zs_weight",
        STAGE + "prop_score.0.weight",
        "text_encoder.positional_embedding",
    ],
)
def test_what_training_does_not_set_is_neither_missing_nor_unexpected(name):
    tensor = {name: torch.zeros(2)}
    assert fit_tensors({}, tensor).missing == ()
    assert fit_tensors(tensor, {}).unexpected == ()


@pytest.mark.parametrize(
    "name", [STAGE + "cls_score.linear.weight", "roi_heads.fc.weight", "backbone.fpn_lateral3.bias"]
)
def test_what_training_sets_is_missing_or_unexpected(name):
    tensor = {name: torch.zeros(2)}
    assert fit_tensors({}, tensor).missing == (name,)
    assert fit_tensors(tensor, {}).unexpected == (name,)


def test_classifier_of_another_class_count_stays_the_models_own():
    name = STAGE + "cls_score.zs_weight"
    model = {name: torch.zeros(4, 3 + 1)}
    fit = fit_tensors({name: torch.ones(4, 9 + 1)}, model)
    assert fit.tensors == {}
    assert fit.mismatched == ()
    assert fit.vocabulary_sizes == (9, 3)
    same = fit_tensors({name: torch.ones(4, 3 + 1)}, model)
    assert list(same.tensors) == [name]
    assert same.vocabulary_sizes is None


def test_frequencies_of_another_class_count_stay_the_models_own():
    fit = fit_tensors(
        {STAGE + "freq_weight": torch.ones(9)}, {STAGE + "freq_weight": torch.ones(3)}
    )
    assert (fit.tensors, fit.mismatched) == ({}, ())


def test_pyramid_is_not_part_of_the_backbone():
    names = ["backbone.bottom_up.norm1.bias", "backbone.fpn_output3.bias", "roi_heads.x.bias"]
    assert backbone_part(names) == {"backbone.bottom_up.norm1.bias"}


def test_a_detr_has_its_backbone_below_other_names():
    names = ["detr.backbone.0.backbone.res2.0.conv1.weight", "detr.bbox_embed.0.layers.0.bias"]
    assert backbone_part(names) == {names[0]}


def test_c4_heads_own_a_part_of_the_backbone():
    names = ["backbone.res2.0.conv1.weight", "roi_heads.res5.0.conv1.weight", "roi_heads.x.bias"]
    assert backbone_part(names) == set(names[:2])


def test_output_norms_of_swin_and_pyramids_of_plain_transformers_are_absent_from_classifiers():
    assert absent_from_classifiers("backbone.bottom_up.base.pyramid.0.weight")
    assert not absent_from_classifiers("backbone.bottom_up.base.vit.norm.weight")
    assert absent_from_classifiers("backbone.bottom_up.norm2.weight")
    assert not absent_from_classifiers("backbone.bottom_up.patch_embed.norm.weight")
    assert not absent_from_classifiers("backbone.bottom_up.layers.0.blocks.0.norm1.weight")
