"""Merging of configuration files and command lines."""

import pytest
import yaml
from detectron2.config import get_cfg


@pytest.fixture
def write(tmp_path):
    def write_yaml(name, text):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write_yaml


def test_file_overrides_its_base(write):
    write("base.yaml", "SOLVER: {BASE_LR: 0.5, MAX_ITER: 7}")
    cfg = get_cfg()
    cfg.merge_from_file(write("child.yaml", "_BASE_: base.yaml\nSOLVER: {BASE_LR: 0.25}"))
    assert (cfg.SOLVER.BASE_LR, cfg.SOLVER.MAX_ITER, cfg.VERSION) == (0.25, 7, 2)


def test_lists_become_tuples_where_the_default_is_one(write):
    cfg = get_cfg()
    cfg.merge_from_file(write("a.yaml", "DATASETS: {TRAIN: [a, b]}"))
    cfg.merge_from_list(["SOLVER.STEPS", "[3, 5]", "MODEL.WEIGHTS", "x.pth"])
    assert cfg.DATASETS.TRAIN == ("a", "b")
    assert cfg.SOLVER.STEPS == (3, 5)
    assert cfg.MODEL.WEIGHTS == "x.pth"


def test_dump_can_be_merged_again(write):
    cfg = get_cfg()
    cfg.SOLVER.MAX_ITER = 11
    again = get_cfg()
    again.merge_from_file(write("dump.yaml", cfg.dump()))
    assert yaml.safe_load(again.dump()) == yaml.safe_load(cfg.dump())
    assert yaml.safe_load(cfg.dump())["SOLVER"]["MAX_ITER"] == 11


def test_unknown_option_is_named(write):
    with pytest.raises(KeyError, match=r"SOLVER.BASE_LRR"):
        get_cfg().merge_from_file(write("a.yaml", "SOLVER: {BASE_LRR: 1.0}"))


def test_wrong_type_is_named(write):
    with pytest.raises(ValueError, match=r"SOLVER.MAX_ITER"):
        get_cfg().merge_from_file(write("a.yaml", "SOLVER: {MAX_ITER: many}"))


def test_python_tags_run_only_when_allowed(write):
    path = write("a.yaml", "SEED: !!python/object/apply:int ['7']")
    with pytest.raises(yaml.constructor.ConstructorError):
        get_cfg().merge_from_file(path)
    cfg = get_cfg()
    cfg.merge_from_file(path, allow_unsafe=True)
    assert cfg.SEED == 7
