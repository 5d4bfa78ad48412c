"""Compiling parts of a detector."""

import pickle

import pytest

from detic.errors import InputError
from detic.modeling import build_detector, compilation
from detic.modeling.compilation import compile_for_inference


@pytest.fixture
def model(small_recipe):
    return build_detector(small_recipe("Detic_LI_CLIP_R5021k_640b64_4x_ft4x_max-size")).eval()


def compiled(model):
    return {name for name, module in model.named_modules() if module._compiled_call_impl}


def test_backbone_and_heads_are_compiled(model):
    names = list(model.state_dict())
    compile_for_inference(model)
    heads = {f"roi_heads.box_head.{stage}" for stage in range(3)}
    masks = {f"roi_heads.mask_head.mask_fcn{i}" for i in range(1, 5)}
    assert {"backbone", "proposal_generator.centernet_head"} | heads | masks <= compiled(model)
    assert list(model.state_dict()) == names
    assert not compiled(pickle.loads(pickle.dumps(model)))  # another machine may lack the compiler


def test_without_a_compiler_the_message_says_what_to_install(model, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(
        InputError, match=r"'no-such-compiler' was not found; install one, name it by"
    ):
        compile_for_inference(model)
    assert not compiled(model)


def test_compiling_for_a_gpu_needs_triton(model, monkeypatch):
    monkeypatch.setattr(type(model), "device", property(lambda _: compilation.torch.device("cuda")))
    monkeypatch.setattr(compilation, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="needs the package triton"):
        compile_for_inference(model)
