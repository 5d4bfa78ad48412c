import pytest

from detic.vocabulary.builtin import builtin_categories
from detic.vocabulary.wordnet import WordNetNouns, noun_forms, wordnet_nouns

# a is above b, b above c, and both b and c above d.
DIAMOND = WordNetNouns(
    hypernyms={"a": [], "b": ["a"], "c": ["b"], "d": ["c", "b"]},
    senses={"top": ["a"], "bottom": ["d"], "end": ["d", "a"]},
)


def test_ancestors_have_the_fewest_steps_nearest_first():
    assert list(DIAMOND.ancestors("d").items()) == [("c", 1), ("b", 1), ("a", 2)]
    assert DIAMOND.ancestors("a") == {}
    assert DIAMOND.ancestors("unheard of") == {}


def test_words_are_those_whose_sense_a_synset_is():
    assert DIAMOND.words == {"a": ["top", "end"], "b": [], "c": [], "d": ["bottom", "end"]}


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Kitchen_Utensil", "kitchen_utensil"),
        ("fruits", "fruit"),
        ("Wine Glasses", "wine_glass"),
        ("vases", "vase"),
        ("boxes", "box"),
        ("quizzes", "quizz"),  # no word, and harmless
        ("torches", "torch"),
        ("dishes", "dish"),
        ("tomatoes", "tomato"),
        ("berries", "berry"),
        ("scarves", "scarf"),
        ("knives", "knife"),
        ("firemen", "fireman"),
    ],
)
def test_forms_are_the_name_and_its_singulars(name, form):
    assert form in noun_forms(name)


def test_no_form_is_empty():
    assert list(noun_forms("s")) == ["s"]
    assert list(noun_forms("Bus")) == ["bus", "bu"]


def test_the_shipped_file_knows_every_class_but_the_stop_sign():
    nouns = wordnet_nouns()
    synsets = {category["synset"] for category in builtin_categories("imagenet21k")}
    assert synsets - nouns.hypernyms.keys() == {"stop_sign.n.01"}


def test_the_shipped_file_holds_every_synset_it_names():
    nouns = wordnet_nouns()
    named = [s for synsets in (*nouns.hypernyms.values(), *nouns.senses.values()) for s in synsets]
    assert set(named) <= nouns.hypernyms.keys()
    assert all(nouns.words.values())
    assert [synset for synset, above in nouns.hypernyms.items() if not above] == ["entity.n.01"]


def test_the_shipped_file_has_no_circles():
    nouns = wordnet_nouns()
    open_synsets = dict(nouns.hypernyms)
    while open_synsets:
        tops = [s for s, above in open_synsets.items() if not open_synsets.keys() & set(above)]
        assert tops, "what is left goes round in circles"
        for synset in tops:
            del open_synsets[synset]


def test_the_shipped_file_orders_senses_as_wordnet_does():
    assert wordnet_nouns().senses["banana"] == ["banana.n.01", "banana.n.02"]
    assert wordnet_nouns().words["sofa.n.01"] == ["couch", "lounge", "sofa"]
