"""Lists and dictionaries that are read when first looked into."""

import pickle
from functools import partial

from detic.datasets.class_lists import LazyDict, LazyList


def test_nothing_is_read_before_it_is_needed():
    reads = []

    def read():
        reads.append(1)
        return ["cat", "dog"]

    names = LazyList(read)
    assert reads == []
    assert (len(names), names[1], list(names), names[:1]) == (2, "dog", ["cat", "dog"], ["cat"])
    assert reads == [1]


def test_they_equal_what_they_hold():
    assert LazyList(lambda: [1, 2]) == [1, 2]
    assert LazyList(lambda: [1, 2]) == LazyList(lambda: [1, 2])
    assert LazyList(lambda: [1, 2]) != [2, 1]
    assert LazyDict(lambda: {7: 0}) == {7: 0}
    assert repr(LazyList(lambda: [1])) == "[1]"
    assert repr(LazyDict(lambda: {7: 0})) == "{7: 0}"


def test_dictionaries_answer_like_dictionaries():
    index = LazyDict(lambda: {1: 0, 5: 1})
    assert (len(index), index[5], list(index), 2 in index) == (2, 1, [1, 5], False)


def test_they_can_be_sent_to_another_process():
    names = LazyList(partial(sorted, ["b", "a"]))
    assert pickle.loads(pickle.dumps(names)) == ["a", "b"]
