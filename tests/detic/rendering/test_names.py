import doctest

import pytest

from detic.rendering import names
from detic.rendering.names import plain_names
from detic.vocabulary import builtin_vocabulary


def test_examples():
    assert doctest.testmod(names).failed == 0


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("aerosol_can", "aerosol can"),
        ("arctic_(type_of_shoe)", "arctic"),
        ("fruit (banana)", "fruit (banana)"),  # no sense of LVIS's
        ("猫", "猫"),
    ],
)
def test_names_of_lvis_lose_what_only_lists_need(name, plain):
    assert plain_names([name]) == {name: plain}


def test_no_two_names_become_one():
    lvis = builtin_vocabulary("lvis").names
    plain = plain_names(lvis)
    assert len(set(plain.values())) == len(set(lvis))
    assert not any("_" in name for name in plain.values())
    assert plain["bow_(weapon)"] == "bow (weapon)"
    assert plain["crab_(animal)"] == "crab"
