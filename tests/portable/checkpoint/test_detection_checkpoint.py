"""Saving, resuming and loading of checkpoints."""

import collections
import logging
import os
import pickle

import numpy as np
import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer, PeriodicCheckpointer
from detectron2.checkpoint._matching import match_by_suffix
from torch import nn


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.ModuleDict({"res2": nn.Linear(2, 2)})
        self.head = nn.Linear(2, 1)


def filled(value):
    model = Detector()
    for parameter in model.parameters():
        nn.init.constant_(parameter, value)
    return model


def values(model):
    return [parameter.flatten()[0].item() for parameter in model.parameters()]


def dump(path, content, protocol=2):
    with open(path, "wb") as f:
        pickle.dump(content, f, protocol)
    return str(path)


def test_save_then_resume_restores_model_optimizer_and_extras(tmp_path):
    model = filled(1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    saver = DetectionCheckpointer(model, str(tmp_path), optimizer=optimizer)
    assert not saver.has_checkpoint()
    saver.save("model_0000003", iteration=3)
    assert sorted(os.listdir(tmp_path)) == ["last_checkpoint", "model_0000003.pth"]

    model = filled(0.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DetectionCheckpointer(model, str(tmp_path), optimizer=optimizer)
    assert loader.resume_or_load("unused.pth", resume=True) == {"iteration": 3}
    assert set(values(model)) == {1.0}
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_load_without_resume_takes_only_the_model(tmp_path):
    model = filled(1.0)
    DetectionCheckpointer(
        model, str(tmp_path), optimizer=torch.optim.SGD(model.parameters(), lr=0.5)
    ).save("a")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DetectionCheckpointer(model, "", optimizer=optimizer)
    rest = loader.resume_or_load(str(tmp_path / "a.pth"), resume=True)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert "optimizer" in rest


def test_interrupted_save_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    saver = DetectionCheckpointer(filled(1.0), str(tmp_path))
    saver.save("model")

    def write_half(content, path):
        with open(path, "w") as f:
            f.write("half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", write_half)
    with pytest.raises(OSError, match="disk full"):
        saver.save("model")
    monkeypatch.undo()
    model = filled(0.0)
    DetectionCheckpointer(model, str(tmp_path)).resume_or_load("", resume=True)
    assert set(values(model)) == {1.0}


def test_periodic_checkpoints(tmp_path):
    saver = PeriodicCheckpointer(
        DetectionCheckpointer(filled(1.0), str(tmp_path)), period=2, max_iter=5, max_to_keep=1
    )
    for iteration in range(5):
        saver.step(iteration)
    assert sorted(os.listdir(tmp_path)) == [
        "last_checkpoint",
        "model_0000003.pth",
        "model_final.pth",
    ]


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"model": state}])
@pytest.mark.parametrize("suffix", [".pth", ".pkl"])
def test_bare_state_dicts_and_wrapped_ones(tmp_path, wrap, suffix):
    content = wrap(filled(2.0).state_dict())
    path = tmp_path / f"weights{suffix}"
    torch.save(content, path) if suffix == ".pth" else dump(path, content)
    model = filled(0.0)
    DetectionCheckpointer(model).load(str(path))
    assert set(values(model)) == {2.0}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("convert", [torch.Tensor.detach, lambda p: p.detach().numpy()])
def test_pickles_of_arrays_and_tensors(tmp_path, protocol, convert):
    state = collections.OrderedDict(
        (name, convert(p)) for name, p in filled(3.0).named_parameters()
    )
    path = dump(
        tmp_path / "a.pkl", {"model": state, "epoch": np.float32(3), "n": [1, "x"]}, protocol
    )
    model = filled(0.0)
    rest = DetectionCheckpointer(model).load(path)
    assert set(values(model)) == {3.0}
    assert rest == {"epoch": 3.0, "n": [1, "x"]}


def test_pickles_that_could_run_code_are_refused_by_name(tmp_path):
    path = dump(tmp_path / "a.pkl", {"model": {}, "hook": os.system})
    with pytest.raises(pickle.UnpicklingError, match=r"refers to 'posix\.system'"):
        DetectionCheckpointer(filled(0.0)).load(path)


def test_tensor_memory_in_a_pickle_cannot_run_code_either(tmp_path):
    class Evil:
        def __reduce__(self):
            inner = pickle.dumps(os.system)
            return torch.storage._load_from_bytes, (inner,)

    path = dump(tmp_path / "a.pkl", {"model": {"head.bias": Evil()}})
    with pytest.raises(pickle.UnpicklingError):
        DetectionCheckpointer(filled(0.0)).load(path)


def test_torch_files_that_could_run_code_are_refused_by_name(tmp_path):
    torch.save({"model": {}, "hook": os.system}, tmp_path / "a.pth")
    with pytest.raises(pickle.UnpicklingError, match="system"):
        DetectionCheckpointer(filled(0.0)).load(str(tmp_path / "a.pth"))


def test_no_path_starts_from_random_weights():
    assert DetectionCheckpointer(filled(0.0)).load("") == {}


def test_backbone_files_match_by_the_end_of_names(tmp_path):
    weights = {"res2.weight": np.full((2, 2), 5.0, np.float32), "other": np.zeros(1, np.float32)}
    path = dump(tmp_path / "a.pkl", {"model": weights, "matching_heuristics": True})
    model = filled(0.0)
    DetectionCheckpointer(model).load(path)
    assert values(model) == [5.0, 0.0, 0.0, 0.0]


def test_tensors_of_other_shape_are_skipped_with_a_warning(tmp_path, caplog):
    state = filled(4.0).state_dict()
    state["head.weight"] = torch.ones(9, 2)
    torch.save(state, tmp_path / "a.pth")
    model = filled(0.0)
    with caplog.at_level(logging.WARNING):
        DetectionCheckpointer(model).load(str(tmp_path / "a.pth"))
    assert values(model) == [4.0, 4.0, 0.0, 4.0]
    assert "head.weight" in caplog.text


def test_constants_of_older_files_are_not_reported(tmp_path, caplog):
    state = {**filled(4.0).state_dict(), "pixel_mean": torch.zeros(3, 1, 1)}
    state["proposal_generator.anchor_generator.cell_anchors.0"] = torch.zeros(3, 4)
    torch.save(state, tmp_path / "a.pth")
    with caplog.at_level(logging.WARNING):
        DetectionCheckpointer(filled(0.0)).load(str(tmp_path / "a.pth"))
    assert caplog.text == ""


def test_data_parallel_models_are_unwrapped(tmp_path):
    model = filled(1.0)
    DetectionCheckpointer(nn.DataParallel(model), str(tmp_path)).save("a")
    assert "head.bias" in torch.load(tmp_path / "a.pth", weights_only=True)["model"]


def named(*names):
    return {name: torch.zeros(1) for name in names}


def test_longest_suffix_of_whole_components_wins():
    model = named("body.layer1.conv.weight", "body.conv.weight", "body.xconv.weight")
    checkpoint = named("conv.weight", "layer1.conv.weight", "unused")
    matched = match_by_suffix(model, checkpoint)
    assert list(matched) == ["body.conv.weight", "body.layer1.conv.weight", "unused"]


def test_one_tensor_for_two_names_is_refused():
    with pytest.raises(ValueError, match=r"'w' fits both 'a.w' and 'b.w'"):
        match_by_suffix(named("a.w", "b.w"), named("w"))
