import pytest

from detic.errors import InputError
from detic.preparation.wordnet import read_nouns, with_ancestors
from tests.detic.preparation.wordnet_files import LICENCE, write_wordnet


@pytest.fixture
def nouns(tmp_path):
    return read_nouns(write_wordnet(tmp_path / "dict"))


def test_synsets_are_named_by_first_word_and_place_among_its_meanings(nouns):
    assert nouns.senses["banana"] == ["banana.n.01", "banana.n.02"]
    assert nouns.senses["banana_tree"] == ["banana.n.01"]


def test_hypernyms_are_kinds_and_instances(nouns):
    assert nouns.hypernyms == {
        "entity.n.01": [],
        "fruit.n.01": ["entity.n.01"],
        "edible_fruit.n.01": ["fruit.n.01"],
        "banana.n.01": ["entity.n.01"],
        "banana.n.02": ["edible_fruit.n.01"],
        "eden.n.01": ["entity.n.01"],
    }


def test_the_part_kept_is_closed_upwards(nouns):
    part = with_ancestors(nouns, ["banana.n.02", "stop_sign.n.01"])
    assert list(part.hypernyms) == ["banana.n.02", "edible_fruit.n.01", "entity.n.01", "fruit.n.01"]
    assert part.senses == {
        "banana": ["banana.n.02"],
        "edible_fruit": ["edible_fruit.n.01"],
        "entity": ["entity.n.01"],
        "fruit": ["fruit.n.01"],
    }


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"index\.noun cannot be read: .*name the folder dict of"):
        read_nouns(tmp_path)


def test_other_releases_are_refused(tmp_path):
    folder = write_wordnet(tmp_path / "dict", LICENCE.replace("3.0", "3.1"))
    with pytest.raises(InputError, match=r"index\.noun is not of WordNet 3\.0"):
        read_nouns(folder)
