"""Reading Python recipes."""

import sys
from pathlib import Path

import pytest
import torch
import yaml

from detic.errors import InputError
from detic.lazy.recipe import (
    OPTIONS,
    RunParams,
    as_yaml,
    check_omegaconf,
    is_python_recipe,
    load_python_recipe,
)
from detic.recipes import load_recipe

pytest.importorskip("omegaconf")


def params(recipe, *overrides):
    return RunParams.from_recipe(load_python_recipe(recipe, overrides))


def test_names_tell_python_from_yaml():
    assert is_python_recipe("configs/own.py")
    assert not is_python_recipe("configs/own.yaml")


def test_train_says_what_a_run_does(recipe):
    run = params(
        recipe,
        *("train.output_dir=out", "train.checkpointer.period=7", "train.init_checkpoint=w.pth"),
        *("train.amp.enabled=True", "train.amp.dtype=bfloat16", "train.ddp.fp16_compression=True"),
    )
    assert (run.output_dir, run.weights, run.device, run.seed) == (Path("out"), "w.pth", "cpu", 0)
    assert (run.loop.max_iter, run.loop.eval_period, run.checkpoints.period) == (4, 2, 7)
    assert (run.precision.whole_model, run.precision.dtype) == (True, torch.bfloat16)
    assert not run.precision.scale_gradients  # of bfloat16, and on the CPU
    assert run.parallel == {
        "broadcast_buffers": False,
        "find_unused_parameters": False,
        "fp16_compression": True,
    }


def test_what_train_leaves_out_is_as_in_detectron2(recipe):
    run = params(recipe)
    assert (run.output_dir, run.weights, run.checkpoints.period) == (Path("output"), "", 5000)
    assert not run.precision.whole_model


def test_the_command_line_has_the_last_word_on_the_device(recipe):
    cfg = load_python_recipe(recipe, ["train.device=cuda"])
    assert RunParams.from_recipe(cfg, device=lambda name: f"{name}:1").device == "cuda:1"


WRONG = {
    "max_iter": ["0", "many", "1.5"],
    "eval_period": ["often", "1.5"],
    "checkpointer.period": ["0"],
    "checkpointer.max_to_keep": ["-1"],
    "seed": ["x", "1.5"],
    "amp.dtype": ["float32"],
    **{key: ["5"] for key in ("output_dir", "init_checkpoint", "device")},
    **{key: ["maybe"] for key in OPTIONS if key.startswith("ddp.") or key == "amp.enabled"},
}


@pytest.mark.parametrize("key", OPTIONS)
def test_values_that_cannot_be_are_refused_by_name(recipe, key):
    for value in WRONG[key]:
        with pytest.raises(InputError, match=rf"train\.{key} is '{value}'; expected"):
            params(recipe, f"train.{key}={value}")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.amp=True", r"train\.amp is 'True'; expected a section with enabled, dtype"),
        ("+train.amp.enabeld=True", r"unknown entry of train\.amp 'enabeld'.*enabled"),
    ],
)
def test_sections_are_checked(recipe, override, message):
    with pytest.raises(InputError, match=message):
        params(recipe, override)


def test_references_to_nothing_are_refused(recipe):
    recipe.write_text(f"{recipe.read_text()}\ntrain['seed'] = '${{..nowhere}}'\n")
    with pytest.raises(InputError, match=r"train\.seed cannot be worked out: .*nowhere"):
        params(recipe)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("model = {}\n", "has no dataloader and no optimizer and no lr_multiplier and no train"),
        ("model = (\n", r"is no Python: .*own\.py"),
        ("from .nowhere import model\n", "imports what is not there: .*nowhere"),
        ("import no_such_package\n", "imports what is not there: .*no_such_package"),
    ],
)
def test_files_that_are_no_recipes_are_refused(recipe, content, message):
    recipe.write_text(content)
    with pytest.raises(InputError, match=message):
        load_python_recipe(recipe)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"recipe '.*nowhere\.py' not found"):
        load_python_recipe(tmp_path / "nowhere.py")


@pytest.mark.parametrize("override", ["train.max_iter", "~train", "train.max_iter.x=5"])
def test_overrides_that_cannot_be_are_refused(recipe, override):
    with pytest.raises(InputError, match=r"write overrides as in train\.max_iter=100"):
        load_python_recipe(recipe, [override])


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "omegaconf", None)
    with pytest.raises(InputError, match="install it with `pip install omegaconf`"):
        check_omegaconf()


def test_what_reads_yaml_says_who_runs_python(recipe):
    with pytest.raises(InputError, match=r"a Python file, which train_net\.py alone runs"):
        load_recipe(recipe)


def test_recipes_are_kept_as_yaml(recipe):
    kept = yaml.safe_load(as_yaml(load_python_recipe(recipe)))
    assert kept["model"] == {"target": 3.0, "_target_": "tests.detic.lazy.toy.OneWeight"}


def test_what_has_no_name_is_kept_as_comments(recipe):
    recipe.write_text(f"{recipe.read_text()}\ntrain['note'] = lambda: 0\n")
    text = as_yaml(load_python_recipe(recipe))
    assert "OneWeight" in text
    assert yaml.safe_load(text) is None
