from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

from detic.errors import InputError
from detic.vocabulary.vocabulary import ClassEntry, EmbeddedVocabulary, Vocabulary, parse_names


def test_names_are_split_at_commas_and_stripped():
    assert parse_names("a, b,c , traffic light") == ("a", "b", "c", "traffic light")


@pytest.mark.parametrize(("text", "position"), [("a,,b", 2), ("", 1), ("a, b,", 3)])
def test_empty_name_is_refused_by_position(text, position):
    with pytest.raises(InputError, match=f"class list: name {position} is empty"):
        parse_names(text)


def test_repeated_name_is_refused_by_name_and_positions():
    with pytest.raises(InputError, match="'cat' is both name 1 and name 3; remove one"):
        parse_names("cat,dog, cat")


def test_vocabulary_keeps_names_in_order():
    vocabulary = Vocabulary.from_names(["dog", "cat"])
    assert vocabulary.names == ("dog", "cat")
    assert len(vocabulary) == 2


def test_built_from_code_names_may_repeat():
    assert Vocabulary.from_names(["Bench", "Bench"]).names == ("Bench", "Bench")


def test_vocabulary_is_immutable():
    with pytest.raises(FrozenInstanceError):
        Vocabulary.from_names(["cat"]).entries = ()
    with pytest.raises(FrozenInstanceError):
        ClassEntry("cat").name = "dog"


def test_embeddings_come_in_a_second_vocabulary_as_float32():
    bare = Vocabulary.from_names(["cat", "dog"])
    embedded = bare.with_embeddings(np.ones((2, 3), np.float16))
    assert not isinstance(bare, EmbeddedVocabulary)
    assert embedded.entries == bare.entries
    assert torch.equal(embedded.embeddings, torch.ones(2, 3))
    assert embedded.embeddings.dtype == torch.float32


@pytest.mark.parametrize("shape", [(3, 4), (2,), (2, 1, 4)])
def test_embeddings_must_have_a_row_for_each_class(shape):
    with pytest.raises(InputError, match=r"do not fit a vocabulary of 2 classes; expected \(2, D"):
        Vocabulary.from_names(["cat", "dog"]).with_embeddings(torch.ones(shape))


def test_empty_vocabulary_is_refused():
    with pytest.raises(InputError, match="empty; name at least one class"):
        Vocabulary(())
