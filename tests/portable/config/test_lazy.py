"""Configurations as Python files of calls that are made later."""

import collections
import sys
from pathlib import Path

import pytest
import torch
import yaml
from detectron2.config import LazyCall, LazyConfig, configurable, instantiate
from detectron2.layers import ShapeSpec

omegaconf = pytest.importorskip("omegaconf")


@pytest.fixture
def write(tmp_path):
    def write_file(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    return write_file


def keywords(**kwargs):
    return kwargs


def test_calls_are_made_innermost_first():
    call = LazyCall(keywords)(a=LazyCall(complex)(real=1, imag=2), b=[LazyCall(keywords)(), 3])
    assert instantiate(call) == {"a": 1 + 2j, "b": [{}, 3]}


def test_descriptions_can_be_changed_before_the_call():
    call = LazyCall(complex)(real=1, imag="${real}")
    call.real = 5
    assert instantiate(call) == 5 + 5j


def test_dataclasses_stay_what_they_are():
    shape = LazyCall(ShapeSpec)(channels=8)
    assert instantiate(shape) == ShapeSpec(channels=8)
    call = LazyCall(keywords)(shape=ShapeSpec(channels=4, stride=2))
    assert instantiate(call) == {"shape": ShapeSpec(channels=4, stride=2)}


def test_names_are_located():
    assert instantiate({"_target_": "collections.OrderedDict"}) == collections.OrderedDict()
    hidden = {"_target_": "torch.optim.sgd.SGD", "params": [torch.zeros(1)], "lr": 1}
    assert isinstance(instantiate(hidden), torch.optim.SGD)
    with pytest.raises(ImportError, match=r"nothing is called 'collections\.Nothing'"):
        instantiate({"_target_": "collections.Nothing"})
    with pytest.raises(TypeError, match="LazyCall takes a callable or its name, got 3"):
        LazyCall(3)


def test_what_describes_no_call_stays():
    assert instantiate({"a": {"_target_": "dict"}}) == {"a": {"_target_": "dict"}}
    assert instantiate(7) == 7


def test_files_import_from_each_other(write):
    write("common/base.py", "width = 8\nmodel = dict(depth=2, width=width)\n")
    path = write(
        "own.py", "from .common.base import model\nimport math\nmodel.depth = 3\n_x = {}\n"
    )
    cfg = LazyConfig.load(path)
    assert cfg == {"model": {"depth": 3, "width": 8}}
    assert "common.base" not in sys.modules


def test_every_import_is_a_copy(write):
    write("base.py", "model = dict(depth=2)\n")
    write("a.py", "from .base import model\nmodel.depth = 3\n")
    path = write("b.py", "from .a import model as other\nfrom .base import model\n")
    assert LazyConfig.load(path) == {"other": {"depth": 3}, "model": {"depth": 2}}


def test_folders_above_are_two_dots(write):
    write("base.py", "optimizer = dict(lr=0.1)\n")
    path = write("deep/own.py", "from ..base import optimizer\n")
    assert LazyConfig.load(path, "optimizer").lr == 0.1
    assert LazyConfig.load(path, ("optimizer", "optimizer"))[1].lr == 0.1


def test_missing_files_are_named(write):
    path = write("own.py", "from .nowhere import model\n")
    with pytest.raises(
        ImportError, match=r"own\.py imports from '\.nowhere', but there is no file"
    ):
        LazyConfig.load(path)
    with pytest.raises(ValueError, match=r"ends in \.py, \.yaml or \.yml"):
        LazyConfig.load("config.json")


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("model.depth=3", "depth", 3),
        ("model.rate=1e-4", "rate", 1e-4),
        ("model.new.name=x=y", "new", {"name": "x=y"}),  # only the first "=" separates
        ("model.steps=[1, 2]", "steps", [1, 2]),
        ("model.steps.0=9", "steps", [9, 5]),
        ("model.note=null", "note", None),
        ("+model.note=y", "note", "y"),
        ("model.flag=True", "flag", True),
        ("model.parts={a: 1, b: [2]}", "parts", {"a": 1, "b": [2]}),
    ],
)
def test_overrides(override, key, value):
    cfg = omegaconf.OmegaConf.create({"model": {"depth": 2, "steps": [4, 5], "note": "x"}})
    assert LazyConfig.apply_overrides(cfg, [override]).model[key] == value


def test_impossible_overrides_are_refused():
    cfg = omegaconf.OmegaConf.create({"model": {"depth": 2}})
    with pytest.raises(KeyError, match=r"cannot set 'model\.depth\.x': 'model\.depth' is 2"):
        LazyConfig.apply_overrides(cfg, ["model.depth.x=1"])
    with pytest.raises(ValueError, match="written key=value, got '~model'"):
        LazyConfig.apply_overrides(cfg, ["~model"])


def test_saved_files_can_be_loaded(tmp_path):
    path = str(tmp_path / "saved.yaml")
    cfg = omegaconf.OmegaConf.create({"model": LazyCall(complex)(real=1, imag="${model.real}")})
    LazyConfig.save(cfg, path)
    assert yaml.safe_load(Path(path).read_text())["model"]["_target_"] == "builtins.complex"
    assert instantiate(LazyConfig.load(path).model) == 1 + 1j


def test_configurations_are_written_as_calls():
    head = LazyCall(keywords)(width="${..width}", dims=[1, 2], part=LazyCall(complex)(real=1))
    cfg = omegaconf.OmegaConf.create({"model": {"width": 8, "head": head}, "name": "x"})
    lines = [
        "cfg.model.width = 8",
        f"cfg.model.head = {__name__}.keywords(width=8, dims=[1, 2], part=builtins.complex(real=1))",
        "cfg.name = 'x'",
    ]
    assert LazyConfig.to_py(cfg).splitlines() == lines
    assert LazyConfig.to_py(LazyCall("math.sqrt")(x=4), prefix="y.") == "y = math.sqrt(x=4)"


def relative_width():
    return LazyConfig.load_rel("width.py", "width")


def test_paths_may_be_relative_to_the_file_that_loads(write, monkeypatch):
    path = write("width.py", "width = dict(value=8)\n")
    monkeypatch.setitem(globals(), "__file__", path)
    assert relative_width().value == 8


def test_references_follow_what_is_changed(write):
    path = write(
        "own.py",
        "from detectron2.config import LazyCall as L\n"
        "head = L('builtins.dict')(num_classes='${..num_classes}')\n"
        "model = dict(head=head, num_classes=5)\n",
    )
    cfg = LazyConfig.apply_overrides(LazyConfig.load(path), ["model.num_classes=7"])
    assert instantiate(cfg.model.head) == {"num_classes": 7}


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "omegaconf", None)
    with pytest.raises(ModuleNotFoundError, match="LazyConfig needs omegaconf: pip install"):
        LazyCall(complex)(real=1)


def test_what_has_no_name_cannot_be_saved(tmp_path):
    cfg = omegaconf.OmegaConf.create({"f": lambda: 0}, flags={"allow_objects": True})
    with pytest.raises(ValueError, match=r"f is <function .*cannot be written to YAML"):
        LazyConfig.save(cfg, str(tmp_path / "saved.yaml"))


def test_files_of_calls_run_no_tags(write):
    path = write("a.yaml", "model: !!python/object/apply:int ['7']")
    with pytest.raises(yaml.constructor.ConstructorError):
        LazyConfig.load(path)


class Head:
    @configurable
    def __init__(self, *, width):
        self.width = width

    @classmethod
    def from_config(cls, cfg):
        return {"width": cfg.width}


def test_configurable_takes_them_too():
    assert Head(omegaconf.OmegaConf.create({"width": 5})).width == 5
