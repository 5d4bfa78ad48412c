import re

import pytest

from detic.errors import InputError
from detic.shapes.world_spec import read_world_spec
from tests.detic.shapes.conftest import NOUNS


def test_manifest_tells_what_the_world_was_made_from(tiny_world_root):
    spec = read_world_spec(tiny_world_root)
    assert (spec.seed, spec.nouns, spec.train_images) == (3, NOUNS, 12)


def test_missing_world_says_how_to_draw_it(tmp_path):
    message = f"no shapes world at {tmp_path}/shapes; draw it with `python -m detic.shapes.world"
    with pytest.raises(InputError, match=re.escape(message)):
        read_world_spec(tmp_path)


def test_manifest_of_an_unknown_generator_is_refused(tmp_path):
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes/world.json").write_text('{"seed": 0}')
    with pytest.raises(InputError, match="was not written by this generator"):
        read_world_spec(tmp_path)
