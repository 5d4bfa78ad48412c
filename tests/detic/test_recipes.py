"""Recipes and the keys they may set."""

import re
from pathlib import Path

import pytest
from detectron2.config import CfgNode, get_cfg

from detic.errors import InputError
from detic.recipes import default_config, load_recipe

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
RECIPES = sorted(CONFIGS.glob("*.yaml"))
SHAPES = CONFIGS / "shapes" / "Detic.yaml"


def test_all_published_recipes_are_there():
    assert len(RECIPES) == 30


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
    ],
)
def test_wrong_override_is_explained(overrides, message):
    with pytest.raises(InputError, match=message):
        load_recipe(SHAPES, overrides)


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
    ],
)
def test_wrong_recipe_is_explained(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_recipe(path)


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
}
# Models that are refused by name: BiFPN, DLA, Deformable DETR.
OF_OTHER_MODELS = ("MODEL.BIFPN.", "MODEL.DLA.", "MODEL.DETR.")


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
