from collections import Counter

import numpy as np
import pytest

from detic.errors import InputError
from detic.shapes.classes import draw_classes, every_class, long_tailed_weights


def test_benchmark_has_96_classes_of_which_28_are_novel():
    classes = draw_classes(seed=0)
    assert [shape_class.id for shape_class in classes] == list(range(1, 97))
    assert len({shape_class.name for shape_class in classes}) == 96
    assert sum(shape_class.novel for shape_class in classes) == 28


def test_a_noun_is_novel_in_all_its_looks_or_in_none():
    novelty = {}
    for shape_class in draw_classes(seed=4):
        novelty.setdefault(shape_class.noun, set()).add(shape_class.novel)
    assert all(len(values) == 1 for values in novelty.values())
    assert sum(values == {True} for values in novelty.values()) == 7


def test_every_noun_has_four_looks_and_every_look_about_as_many_nouns():
    classes = draw_classes(seed=1)
    assert set(Counter(entry.noun for entry in classes).values()) == {4}
    assert set(Counter(entry.look for entry in classes).values()) <= {19, 20}


def test_names_are_look_and_noun():
    assert "green striped key" in {entry.name for entry in every_class(["key"])}


def test_which_nouns_are_novel_depends_on_the_seed():
    novel = [{entry.noun for entry in draw_classes(seed) if entry.novel} for seed in range(5)]
    assert any(novel[0] != other for other in novel[1:])


def test_all_nouns_in_all_looks():
    assert len(every_class()) == 32 * 5


def test_long_tail_spans_a_factor_of_ten():
    shares = long_tailed_weights(96, np.random.default_rng(0))
    assert shares.sum() == pytest.approx(1)
    assert shares.max() / shares.min() == pytest.approx(96**0.5)


@pytest.mark.parametrize(
    ("nouns", "message"),
    [
        (["star", "stat"], "unknown noun 'stat'; choose from star, gear, "),
        (["star"], "two or more nouns, each once; got star"),
        (["star", "key", "star"], "two or more nouns, each once; got star, key, star"),
    ],
)
def test_unusable_nouns_are_refused(nouns, message):
    with pytest.raises(InputError, match=message):
        draw_classes(0, nouns)
