from detic.checkpoint.renaming import Renaming


def test_numbers_and_rest_are_carried_over():
    rename = Renaming([("a.#.b#.*", "x#.y.#.*")])
    assert rename("a.10.b2.weight.c") == "x10.y.2.weight.c"


def test_pattern_covers_the_whole_name():
    rename = Renaming([("stem.weight", "conv.weight")])
    assert rename("stem.weight2") is None
    assert rename("my.stem.weight") is None
    assert rename("stemXweight") is None


def test_first_fitting_pair_counts():
    rename = Renaming([("a.0.*", "first.*"), ("a.#.*", "other#.*")])
    assert rename("a.0.w") == "first.w"
    assert rename("a.1.w") == "other1.w"


def test_inverse_undoes():
    rename = Renaming([("a.#.*", "b#_*")])
    assert rename.inverse()(rename("a.3.weight")) == "a.3.weight"
