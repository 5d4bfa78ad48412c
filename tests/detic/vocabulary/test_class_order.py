"""A vocabulary takes the order of a dataset, by name."""

import pytest
import torch

from detic.errors import InputError
from detic.vocabulary import Vocabulary
from detic.vocabulary.class_order import in_class_order

PETS = [("cat",), ("Sea_Gull",), ("bull", "horned_cow")]


def vocabulary(*names):
    """Return the classes of these names; the embedding of the i-th is (i, i)."""
    rows = torch.arange(len(names), dtype=torch.float32)
    return Vocabulary.from_names(names).with_embeddings(rows[:, None].expand(-1, 2))


def test_names_in_another_order_are_reordered_with_their_embeddings():
    ordered = in_class_order(vocabulary("bull", "cat", "sea gull"), PETS, "pets")
    assert ordered.names == ("cat", "sea gull", "bull")
    assert ordered.embeddings[:, 0].tolist() == [1, 2, 0]


@pytest.mark.parametrize("name", ["bull", "horned cow"])
def test_one_name_of_a_class_is_enough(name):
    given = vocabulary("Cat", "sea gull", name)
    assert in_class_order(given, PETS, "pets") is given


def test_repeated_names_are_accepted_in_the_order_of_the_dataset():
    classes = [("mouse",), ("cat",), ("mouse",)]
    given = vocabulary("mouse", "cat", "mouse")
    assert in_class_order(given, classes, "pets") is given
    with pytest.raises(InputError, match="class number 1 is 'cat' in the vocabulary and 'mouse' i"):
        in_class_order(vocabulary("cat", "mouse", "mouse"), classes, "pets")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("cat", "bull"), "has 2 classes, the dataset 3; it lacks class number 2, 'Sea_Gull'"),
        (("cat", "gull", "bull"), "has 3 classes, the dataset 3; it lacks class number 2, 'Sea_Gu"),
        (
            ("cat", "sea gull", "bull", "elk"),
            "4 classes, the dataset 3; class number 4 is 'elk' in",
        ),
        (("bull", "horned_cow", "cat", "sea gull"), "class number 1 is 'bull' in the vocabulary"),
    ],
)
def test_other_classes_are_refused_with_both_counts_and_the_first_difference(names, message):
    with pytest.raises(InputError, match=f"key for pets: the vocabulary .*{message}"):
        in_class_order(vocabulary(*names), PETS, "key for pets")
