import logging
import pickle

import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer
from safetensors.torch import save_file
from torch import nn

from detic.checkpoint import load_weights
from detic.checkpoint.mmdet import to_mmdet
from detic.errors import InputError

from .conftest import assert_same, distinct, toy_model

ZERO_SHOT = "roi_heads.box_predictor.0.cls_score.zs_weight"
BACKBONE = {
    "backbone.bottom_up.base.conv1.weight": (2, 3, 1, 1),
    "backbone.bottom_up.base.layer1.0.conv1.weight": (2, 2, 1, 1),
}
HEADS = {
    "backbone.fpn_lateral3.weight": (2, 2, 1, 1),
    "proposal_generator.centernet_head.scales.0.scale": (1,),
    "roi_heads.box_head.0.fc1.weight": (3, 2),
    "roi_heads.box_predictor.0.cls_score.linear.weight": (4, 3),
    ZERO_SHOT: (4, 6),
}
DETECTOR = BACKBONE | HEADS


def save(tensors, tmp_path):
    torch.save({"model": tensors}, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def without(tensors, *parts):
    return {n: t for n, t in tensors.items() if not any(part in n for part in parts)}


def bare_backbone():
    """Tensors of the toy's backbone as a classifier's file has them."""
    tensors = distinct({n.removeprefix("backbone.bottom_up.base."): s for n, s in BACKBONE.items()})
    return tensors | {"fc.weight": torch.zeros(5, 2), "fc.bias": torch.zeros(5)}


def write_pickled_arrays(tensors, path):
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "somebody"}, protocol=2))


WRITERS = {  # case -> writer(tensors of a detector, path)
    "detectron2": lambda tensors, path: torch.save({"model": tensors}, path),
    "bare": torch.save,
    "safetensors": save_file,
    "detectron2 pkl": write_pickled_arrays,
    "mmdetection": lambda t, path: torch.save({"state_dict": to_mmdet(t).tensors}, path),
}


@pytest.mark.parametrize("case", WRITERS)
def test_every_format_gives_the_detector_every_bit(case, tmp_path):
    tensors = distinct(DETECTOR)
    WRITERS[case](tensors, tmp_path / "weights")
    model = toy_model(DETECTOR)
    report = load_weights(model, tmp_path / "weights")
    assert_same(model.state_dict(), tensors)
    assert report.matched == tuple(sorted(DETECTOR))
    assert (report.random, report.unexpected, report.vocabulary_sizes) == ((), (), None)
    assert report.names == ("mmdetection" if case == "mmdetection" else "the model's own names")


def test_training_checkpoint_of_detectron2_loads_alike(tmp_path):
    trained, model = toy_model(DETECTOR), toy_model(DETECTOR)
    trained.load_state_dict(distinct(DETECTOR))
    optimizer = torch.optim.AdamW(trained.parameters())
    sum(p.sum() for p in trained.parameters()).backward()
    optimizer.step()
    checkpointer = DetectionCheckpointer(trained, str(tmp_path), optimizer=optimizer)
    checkpointer.save("model_final", iteration=7)
    load_weights(model, tmp_path / "model_final.pth")
    assert_same(model.state_dict(), trained.state_dict())


def test_half_precision_files_take_the_models_dtype(tmp_path):
    tensors = {name: tensor.half() for name, tensor in distinct(DETECTOR).items()}
    model = toy_model(DETECTOR)
    load_weights(model, save(tensors, tmp_path))
    assert_same(model.state_dict(), {name: tensor.float() for name, tensor in tensors.items()})


def test_wrapped_model_gets_the_weights(tmp_path):
    model = nn.DataParallel(toy_model(DETECTOR))
    load_weights(model, save(distinct(DETECTOR), tmp_path))
    assert_same(model.module.state_dict(), distinct(DETECTOR))


def test_classifier_of_another_class_count_is_replaced_by_the_models_own(tmp_path, caplog):
    path = save(distinct(DETECTOR | {ZERO_SHOT: (4, 22048)}), tmp_path)
    model = toy_model(DETECTOR)
    with caplog.at_level(logging.INFO):
        report = load_weights(model, path)
    assert report.vocabulary_sizes == (22047, 5)
    assert not model.state_dict()[ZERO_SHOT].any()
    assert "the model's own 5 classes, not 22047" in caplog.text


def test_classifier_of_the_same_class_count_comes_from_the_file(tmp_path):
    model = toy_model(DETECTOR)
    load_weights(model, save(distinct(DETECTOR), tmp_path))
    assert torch.equal(model.state_dict()[ZERO_SHOT], distinct(DETECTOR)[ZERO_SHOT])


def test_detector_with_random_parts_is_refused_and_unchanged(tmp_path):
    path = save(without(distinct(DETECTOR), "fc1", "scales"), tmp_path)
    model = toy_model(DETECTOR)
    for purpose in ("inference", "train"):
        with pytest.raises(
            InputError,
            match=r"random: proposal_generator\.\S+\.scale, roi_heads\.box_head\.0\.fc1\.weight\. "
            r".*ALLOW_PARTIAL_WEIGHTS",
        ):
            load_weights(model, path, purpose=purpose)
    assert not any(tensor.any() for tensor in model.state_dict().values())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    model, tensors = toy_model(DETECTOR), distinct(DETECTOR)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    tensors["roi_heads.box_head.0.fc1.weight"][0, 0] = value
    with pytest.raises(InputError, match=r"infinite or no numbers in roi_heads\.box_head\.0\.fc1"):
        load_weights(model, save(tensors, tmp_path))
    assert_same(model.state_dict(), before)


def test_complex_weights_are_refused(tmp_path):
    tensors = distinct(DETECTOR)
    name = "roi_heads.box_head.0.fc1.weight"
    tensors[name] = tensors[name].to(torch.complex64)
    with pytest.raises(InputError, match="complex numbers in roi_heads"):
        load_weights(toy_model(DETECTOR), save(tensors, tmp_path))


def test_wrong_shape_is_refused_with_both_shapes(tmp_path):
    name = "roi_heads.box_predictor.0.cls_score.linear.weight"
    path = save(distinct(DETECTOR | {name: (8, 3)}), tmp_path)
    with pytest.raises(InputError, match=r"is \(8, 3\) in the file and \(4, 3\) in the model"):
        load_weights(toy_model(DETECTOR), path)


def test_partial_weights_load_when_allowed(tmp_path, caplog):
    tensors = without(distinct(DETECTOR), "fc1")
    model = toy_model(DETECTOR)
    report = load_weights(model, save(tensors, tmp_path), allow_partial=True)
    assert report.missing == ("roi_heads.box_head.0.fc1.weight",)
    assert_same(without(model.state_dict(), "fc1"), tensors)
    assert "roi_heads.box_head.0.fc1.weight" in caplog.text  # a warning


def test_backbone_alone_starts_a_training(tmp_path, caplog):
    model = toy_model(DETECTOR)
    report = load_weights(model, save(bare_backbone(), tmp_path), purpose="train")
    assert report.matched == tuple(sorted(BACKBONE))
    assert report.missing == tuple(sorted(HEADS.keys() - {ZERO_SHOT}))
    assert report.unexpected == ("fc.bias", "fc.weight")
    assert_same({n: model.state_dict()[n] for n in BACKBONE}, distinct(BACKBONE))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_backbone_under_the_models_names_starts_a_training(tmp_path):
    model = toy_model(DETECTOR)
    load_weights(model, save(distinct(BACKBONE), tmp_path), purpose="train")
    assert_same({n: model.state_dict()[n] for n in BACKBONE}, distinct(BACKBONE))


def test_backbone_alone_is_refused_for_inference(tmp_path):
    with pytest.raises(InputError, match=r"random: .*roi_heads.*holds a backbone, which suits tra"):
        load_weights(toy_model(DETECTOR), save(bare_backbone(), tmp_path))


def test_incomplete_backbone_is_refused_for_training(tmp_path):
    path = save(without(bare_backbone(), "layer1"), tmp_path)
    with pytest.raises(InputError, match=r"random: backbone\.bottom_up\.base\.layer1\.0\.conv1"):
        load_weights(toy_model(DETECTOR), path, purpose="train")


def test_output_norms_of_swin_may_start_fresh_in_training(tmp_path):
    shapes = {
        "backbone.bottom_up.patch_embed.norm.weight": (2,),
        "backbone.bottom_up.norm1.weight": (2,),
        "backbone.fpn_lateral3.weight": (2,),
    }
    path = save(distinct({"patch_embed.norm.weight": (2,), "norm.weight": (2,)}), tmp_path)
    assert load_weights(toy_model(shapes), path, purpose="train").matched == (
        "backbone.bottom_up.patch_embed.norm.weight",
    )


def test_weights_of_another_model_are_refused(tmp_path):
    path = save(
        distinct({"encoder.layer.0.weight": (2,), "encoder.layer.1.weight": (2,)}), tmp_path
    )
    with pytest.raises(
        InputError, match=r"no tensor of .* fits the model: it holds encoder\.layer"
    ):
        load_weights(toy_model(DETECTOR), path, purpose="train", allow_partial=True)


def test_weights_for_another_backbone_name_both(tmp_path):
    swin = {"backbone.bottom_up.patch_embed.proj.weight": (2, 3, 4, 4)}
    with pytest.raises(
        InputError,
        match=r"random: backbone\.bottom_up\.\* \(2\).*no place for backbone\.bottom_up\.p",
    ):
        load_weights(toy_model(DETECTOR), save(distinct(swin | HEADS), tmp_path))


def test_unknown_purpose_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="'finetune' is not a valid Purpose"):
        load_weights(toy_model(DETECTOR), "x.pth", purpose="finetune")
