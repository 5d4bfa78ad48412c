from pathlib import Path

import pytest

from detic.errors import InputError
from detic.recipes import load_recipe

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
RECIPES = sorted(CONFIGS.glob("*.yaml"))
SHAPES = CONFIGS / "shapes" / "Detic.yaml"


def test_all_published_recipes_are_there():
    assert len(RECIPES) == 30


@pytest.mark.parametrize(
    "path", [*RECIPES, *(CONFIGS / "shapes").glob("*.yaml")], ids=lambda p: p.stem
)
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
