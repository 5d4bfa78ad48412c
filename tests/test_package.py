"""What distributions hold, and what the package says of itself."""

import ast
import re
from pathlib import Path

import detic
import detic_commands
from detic.released_models import RELEASED_MODELS, model_of_recipe
from detic.shapes.quickstart import FIRST_IMAGE

ROOT = Path(__file__).resolve().parents[1]


def resources():
    """The value of RESOURCES in setup.py, which cannot be imported without building."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "RESOURCES":
            return ast.literal_eval(node.value)
    return None


def test_sdists_hold_what_wheels_are_made_of():
    manifest = (ROOT / "MANIFEST.in").read_text()
    held = set(re.findall(r"^(?:graft|include) (\S+)$", manifest, re.MULTILINE))
    assert set(resources()) <= held
    assert all((ROOT / name).exists() for name in resources())


def test_wheels_hold_all_that_is_read_of_the_checkout():
    used = [m.recipe for m in RELEASED_MODELS.values()] + [FIRST_IMAGE]
    for path in used:
        assert path.is_file()
        assert any(path.is_relative_to(ROOT / name) for name in resources())


def test_version_and_names():
    assert re.fullmatch(r"\d+\.\d+\.\d+", detic.__version__)
    assert detic.__version__ == detic_commands.__version__
    assert issubclass(detic.InputError, ValueError)
    assert set(detic.__all__) <= set(dir(detic))


def test_copies_of_released_recipes_are_known(tmp_path):
    released = RELEASED_MODELS["Detic_LI_CLIP_R5021k_640b64_4x_ft4x_max-size"]
    copy = tmp_path / released.recipe.name
    copy.write_bytes(released.recipe.read_bytes())
    assert model_of_recipe(copy) is released
    copy.write_text("SEED: 1\n")
    assert model_of_recipe(copy) is None
