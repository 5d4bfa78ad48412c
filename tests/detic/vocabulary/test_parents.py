import logging

import pytest
import torch

from detic.errors import InputError
from detic.vocabulary import ClassEntry, Vocabulary, builtin_vocabulary, expand_parents


def children(*names, candidates="lvis"):
    """The classes that join a vocabulary, with their parents."""
    expanded = expand_parents(Vocabulary.from_names(names), candidates)
    assert expanded.names[: len(names)] == names
    return {entry.name: entry.parent for entry in expanded.entries[len(names) :]}


def test_fruit_contains_bananas_and_apples_but_no_potatoes():
    fruit = children("fruit")
    assert {"banana", "apple", "orange_(fruit)"} <= fruit.keys()
    assert not {"potato", "carrot", "fruit_juice"} & fruit.keys()
    assert set(fruit.values()) == {"fruit"}


def test_furniture_contains_chairs_and_what_is_a_chair():
    assert {"chair", "rocking_chair", "sofa", "bed"} <= children("furniture").keys()


@pytest.mark.parametrize("name", ["Fruits", "fruit ", "edible fruits", "edible_fruit"])
def test_plurals_capitals_and_spaces_do_not_matter(name):
    assert children(name)["banana"] == name


def test_any_word_of_a_synset_will_do():
    assert children("beast") == dict.fromkeys(children("animal"), "beast")


def test_words_without_kinds_add_nothing():
    assert children("banana", "potato peeler", "xyzzy", "") == {}


def test_the_classes_asked_for_stay_as_they_are():
    asked = Vocabulary((ClassEntry("banana", color=(1, 2, 3)), ClassEntry("fruit")))
    expanded = expand_parents(asked)
    assert expanded.entries[:2] == asked.entries
    assert expanded.names.count("banana") == 1


@pytest.mark.parametrize(
    "present",
    [
        ClassEntry("sofa"),
        ClassEntry("Sofas"),
        ClassEntry("couch"),  # another word for it
        ClassEntry("seat for two", synonyms=("couch",)),
    ],
)
def test_what_is_present_does_not_join(present):
    assert "sofa" in children("furniture")
    expanded = expand_parents(Vocabulary((ClassEntry("furniture"), present)))
    assert "sofa" not in expanded.names[2:]


def test_a_kind_of_two_parents_joins_the_nearer_one():
    for names in (("food", "fruit"), ("fruit", "food")):
        kinds = children(*names)
        assert kinds["banana"] == "fruit"
        assert kinds["bread"] == "food"


def test_of_equally_near_parents_the_first_is_taken():
    # A banana is an edible fruit, which is a kind of both.
    assert children("fruit", "produce")["banana"] == "fruit"
    assert children("produce", "fruit")["banana"] == "produce"


def test_parents_may_be_kinds_of_each_other():
    kinds = children("animal", "bird")
    assert kinds["parrot"] == "bird"
    assert kinds["horse"] == "animal"
    assert "bird" not in kinds


def test_the_meaning_with_most_classes_is_taken_and_named(caplog):
    with caplog.at_level(logging.INFO):
        assert "parrot" in children("bird")
    assert (
        "'bird' has several meanings; the one with most classes in lvis is taken: bird.n.01 (25), "
        "bird.n.02 (1)"
    ) in caplog.messages
    assert "classes of lvis join the vocabulary: bird (24)" in caplog.messages


def test_a_class_speaks_for_its_own_meaning():
    # cat.n.01 is a class and has one kind; big_cat.n.01 has two kinds and is none.
    assert children("cat") == {"cougar": "cat"}


def test_nothing_found_is_said(caplog):
    with caplog.at_level(logging.INFO):
        children("xyzzy")
    assert caplog.messages == ["no class of lvis is a kind of what the vocabulary names"]


def test_kinds_of_imagenet21k_include_those_of_lvis():
    kinds = children("fruit", candidates="imagenet21k")
    assert children("fruit").keys() < kinds.keys()
    assert "Granny_Smith" in kinds


def test_names_that_repeat_join_once():
    # A crane is a bird and a machine in ImageNet-21K.
    names = list(children("bird", "machine", candidates="imagenet21k"))
    assert builtin_vocabulary("imagenet21k").names.count("crane") == 2
    assert names.count("crane") == 1


def test_lvis_gains_nothing_from_itself():
    lvis = builtin_vocabulary("lvis")
    assert expand_parents(lvis).entries == lvis.entries


def test_kinds_take_over_what_is_said_of_their_parent():
    fruit = ClassEntry(
        "fruit",
        synonyms=("produce",),
        prompts=("a photo of a {}", "things to eat"),
        negative=True,
        score_threshold=0.3,
        color=(1, 2, 3),
    )
    banana = expand_parents(Vocabulary((fruit,))).entries[-1]
    assert banana == ClassEntry(
        banana.name,
        prompts=("a photo of a {}",),
        parent="fruit",
        negative=True,
        score_threshold=0.3,
        color=(1, 2, 3),
    )
    sentence = ClassEntry("fruit", prompts=("things to eat",))
    assert expand_parents(Vocabulary((sentence,))).entries[-1].prompts is None


def test_unknown_lists_are_refused():
    message = "unknown class list to expand by 'coco'; choose lvis or imagenet21k"
    with pytest.raises(InputError, match=message):
        expand_parents(Vocabulary.from_names(["fruit"]), "coco")


def test_embeddings_are_refused():
    vocabulary = Vocabulary.from_names(["fruit"]).with_embeddings(torch.ones(1, 4))
    with pytest.raises(InputError, match=r"further classes have none; .* embedded again"):
        expand_parents(vocabulary)
