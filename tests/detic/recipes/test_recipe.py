"""Recipes and the keys they may set."""

import re
from pathlib import Path

import pytest
import yaml
from detectron2.config import CfgNode, get_cfg

from detic.errors import InputError
from detic.recipes import default_config, load_recipe

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = ROOT / "configs"
RECIPES = sorted(CONFIGS.glob("*.yaml"))
SHAPES = CONFIGS / "shapes" / "Detic.yaml"


def test_all_published_recipes_are_there():
    assert len(RECIPES) == 32


def test_there_is_a_recipe_of_a_fast_and_of_a_strong_backbone():
    names = [path.stem for path in sorted(CONFIGS.glob("backbones/*.yaml"))]
    assert names == ["BoxSup_LVIS_DINOv3", "BoxSup_LVIS_MobileNetV4"]


@pytest.mark.parametrize("path", [*RECIPES, *CONFIGS.glob("*/*.yaml")], ids=lambda p: p.stem)
def test_recipe_merges_and_names_its_output(path):
    cfg = load_recipe(path)
    assert Path(cfg.OUTPUT_DIR).name == path.stem


def test_overrides_win():
    assert load_recipe(SHAPES, ["SOLVER.MAX_ITER", "7"]).SOLVER.MAX_ITER == 7


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["SOLVER.MAX_ITERS", "7"],
            r"unknown configuration key 'SOLVER.MAX_ITERS'; did you mean SOLVER.MAX_ITER\?",
        ),
        (["SOLVER.MAX_ITER"], "KEY VALUE pairs"),
        (["SOLVER.MAX_ITER", "many"], "SOLVER.MAX_ITER"),
        (["SOLVER.STEPS", "[" * 1000 + "]" * 1000], "SOLVER.STEPS|brackets"),
        (["SOLVER", "5"], "unknown configuration key 'SOLVER'"),
    ],
)
def test_wrong_override_is_explained(overrides, message):
    with pytest.raises(InputError, match=message):
        load_recipe(SHAPES, overrides)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "SOLVER.MAX_ITER: 5",
            r"'SOLVER.MAX_ITER' is a key in sections; write SOLVER: \{MAX_ITER: ",
        ),
        ("SOLVER: {MAX_ITER: {A: 1}}", "SOLVER.MAX_ITER is no section in its _BASE_"),
    ],
)
def test_keys_and_sections_that_stand_for_each_other_are_explained(tmp_path, content, message):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"_BASE_: {SHAPES}\n{content}\n")
    with pytest.raises(InputError, match=message):
        load_recipe(recipe)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "MODEL:\n  WIEGHTS: x\n",
            r"mine\.yaml.*unknown configuration key 'MODEL.WIEGHTS'.*MODEL.WEIGHTS",
        ),
        ("SOLVER:\n  MAX_ITER: [1]\n", r"mine\.yaml.*MAX_ITER"),
        ("MODEL: [\n", r"mine\.yaml.*not valid YAML"),
        ("- MODEL\n", r"mine\.yaml.*no mapping of configuration keys"),
        ("_BASE_: mine.yaml\n", r"mine\.yaml.*_BASE_ leads back to itself"),
        ("_BASE_: yours.yaml\n", r"mine\.yaml.*_BASE_ .*yours\.yaml' is not there"),
        (
            "_BASE_: http://127.0.0.1:1/x.yaml\n",
            r"mine\.yaml.*_BASE_ .* is an address; download it",
        ),
        ("_BASE_: .\n", r"mine\.yaml.*_BASE_ '\.' is a folder"),
        (f"_BASE_: {'n' * 300}\n", r"mine\.yaml.*_BASE_ .* is not there"),
        ("_BASE_: deep/0.yaml\n", r"deep/20\.yaml.*more than 20 files are based on each other"),
        ("_BASE_: folder/tag.yaml\n", r"tag\.yaml', line 1 is not valid YAML.*only plain values"),
        ("a: !!python/object/apply:os.system [x]\n", r"mine\.yaml', line 1 is not valid YAML"),
        ("1: 2\n", r"mine\.yaml.*unknown configuration key '1'"),
        ("SOLVER: 5\n", r"mine\.yaml.*SOLVER is '5'; expected a section"),
        ("SOLVER:\n", r"mine\.yaml.*SOLVER is 'None'; expected a section"),
        ("SOLVER: {MAX_ITER: {a: 1}}\n", r"mine\.yaml.*SOLVER\.MAX_ITER is a section"),
        ("SOLVER: {MAX_ITER: 2026-01-01}\n", r"mine\.yaml.*MAX_ITER"),
    ],
)
def test_wrong_recipe_is_explained(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "tag.yaml").write_text("SEED: !!python/name:os.system\n")
    (tmp_path / "deep").mkdir()
    for i in range(30):
        (tmp_path / "deep" / f"{i}.yaml").write_text(f"_BASE_: {i + 1}.yaml\n")
    with pytest.raises(InputError, match=message):
        load_recipe(path)


@pytest.mark.parametrize("base", [True, False], ids=["in _BASE_", "in the recipe"])
def test_recipes_run_no_code_where_detectron2_would(tmp_path, monkeypatch, base):
    """Detectron2's own loader builds the Python objects that a file asks for, unless told not to."""
    unsafe = classmethod(lambda cls, path, **_: yaml.unsafe_load(Path(path).read_text()))
    monkeypatch.setattr(CfgNode, "load_yaml_with_base", unsafe)
    trace = tmp_path / "trace"
    code = f"OUTPUT_DIR: !!python/object/apply:os.mkdir [{trace}]\n"
    (tmp_path / "base.yaml").write_text(code)
    (tmp_path / "mine.yaml").write_text("_BASE_: base.yaml\n" if base else code)
    with pytest.raises(InputError, match=r"yaml', line 1 .*only plain values are read"):
        load_recipe(tmp_path / "mine.yaml")
    assert not trace.exists()
    get_cfg().merge_from_file(str(tmp_path / ("base.yaml" if base else "mine.yaml")))
    assert trace.exists()


def test_no_code_of_ours_lets_yaml_build_objects():
    folders = ("detic", "centernet", "detic_commands", "tools")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    calls = re.compile(r"merge_from_file\(|load_yaml_with_base\(|yaml\.(?!safe_)\w*load\w*\(")
    assert [path.name for path in files if calls.search(path.read_text())] == []


def test_folders_and_overlong_names_are_no_recipes(tmp_path):
    with pytest.raises(InputError, match="not found"):
        load_recipe(tmp_path / ("n" * 300))
    with pytest.raises(InputError, match="is a folder; expected a file"):
        load_recipe(tmp_path)


def test_missing_recipe_suggests_the_nearest():
    with pytest.raises(InputError, match=r"did you mean .*shapes/Detic.yaml"):
        load_recipe(CONFIGS / "shapes" / "Detik.yaml")


# Published recipes set these keys, or older ones did; their values change nothing.
WITHOUT_EFFECT = {
    *("EVAL_AP_FIX", "EVAL_CAT_SPEC_AR", "EVAL_PRED_AR", "EVAL_PROPOSAL_AR", "QUICK_DEBUG"),
    *(
        "DEBUG",
        "IS_DEBUG",
        "DEBUG_SHOW_NAME",
        "SAVE_DEBUG",
        "SAVE_DEBUG_PATH",
        "SAVE_PTH",
        "VIS_THRESH",
    ),
    *("ADD_FEATURE_TO_PROP", "USE_EQL_LOSS", "EQL_FREQ_CAT", "AS_PROPOSAL", "RESET_ITER"),
    *("FROZEN_WEIGHTS", "NO_OBJECT_WEIGHT", "PRE_NORM"),
}
# Models that are refused by name: BiFPN, DLA.
OF_OTHER_MODELS = ("MODEL.BIFPN.", "MODEL.DLA.")


def leaf_keys(node, prefix=""):
    for key, value in node.items():
        inner = isinstance(value, CfgNode)
        yield from leaf_keys(value, f"{prefix}{key}.") if inner else (prefix + key,)


def test_every_key_has_an_effect():
    """A key that nothing reads would be a promise that is not kept."""
    keys = set(leaf_keys(default_config())) - set(leaf_keys(get_cfg()))
    files = [p for folder in ("detic", "centernet") for p in (ROOT / folder).rglob("*.py")]
    code = "\n".join(p.read_text() for p in files if p.name != "config.py")
    code = re.sub(r"(\w+_)\{mode\}", r"\1TRAIN \1TEST", code)
    names = {k.rsplit(".", 1)[-1] for k in keys if not k.startswith(OF_OTHER_MODELS)}
    assert {n for n in names if not re.search(rf"\b{n}\b", code)} == WITHOUT_EFFECT


RATIO_OF_THREE = "DATALOADER: {DATASET_RATIO: [1, 2, 3]}"
UNEQUAL = r"DATALOADER\.DATASET_RATIO has 3 entries, DATASETS\.TRAIN has 2; give one per dataset"


@pytest.mark.parametrize("base", [CONFIGS / "shapes" / "Detic.yaml"])
class TestListsPerDataset:
    """Lists with an entry for each of DATASETS.TRAIN."""

    def test_those_of_a_base_may_be_longer(self, tmp_path, base):
        path = tmp_path / "mine.yaml"
        path.write_text(
            f"_BASE_: {base}\nDATASETS: {{TRAIN: [my]}}\nDATALOADER: {{USE_RFS: [False]}}"
        )
        assert list(load_recipe(path).DATALOADER.DATASET_RATIO) == [1, 4]

    def test_those_of_the_recipe_are_as_many(self, tmp_path, base):
        path = tmp_path / "mine.yaml"
        path.write_text(f"_BASE_: {base}\n{RATIO_OF_THREE}")
        with pytest.raises(InputError, match=rf"mine\.yaml': {UNEQUAL}"):
            load_recipe(path)

    def test_those_of_the_command_line_are_as_many(self, base):
        with pytest.raises(InputError, match=f"^{UNEQUAL}"):
            load_recipe(base, ["DATALOADER.DATASET_RATIO", "[1, 2, 3]"])

    def test_datasets_of_the_command_line_may_be_fewer(self, base):
        cfg = load_recipe(base, ["DATASETS.TRAIN", "('my',)"])
        assert len(cfg.DATALOADER.DATASET_RATIO) == 2
