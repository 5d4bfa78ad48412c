import numpy as np

from detic.shapes.captions import (
    LOOK_SYNONYMS,
    NOUN_SYNONYMS,
    draw_caption,
    misspell,
)
from detic.shapes.looks import LOOKS
from detic.shapes.nouns import ALL_NOUNS


def captions(count=400):
    rng = np.random.default_rng(0)
    return [draw_caption("green striped", "key", rng) for _ in range(count)]


def test_every_noun_and_look_has_synonyms_that_are_no_names():
    assert set(NOUN_SYNONYMS) == set(ALL_NOUNS)
    assert set(LOOK_SYNONYMS) == set(LOOKS)
    for synonyms in (*NOUN_SYNONYMS.values(), *LOOK_SYNONYMS.values()):
        assert synonyms
        assert not {*ALL_NOUNS, *LOOKS} & set(synonyms)


def test_no_synonym_means_two_things():
    every = [synonym for synonyms in NOUN_SYNONYMS.values() for synonym in synonyms]
    assert len(every) == len(set(every))


def test_captions_vary_in_wording_order_and_completeness():
    drawn = captions()
    assert "a green striped key" in drawn
    assert "key green striped" in drawn
    assert "a key" in drawn
    assert any("latchkey" in text for text in drawn)
    assert any("striped green" in text for text in drawn)


def test_some_captions_are_misspelt():
    known = set(" ".join([*LOOKS, *ALL_NOUNS, "a the photo of that is on background"]).split())
    known |= set(
        " ".join([*sum(NOUN_SYNONYMS.values(), ()), *sum(LOOK_SYNONYMS.values(), ())]).split()
    )
    drawn = captions()
    slips = [text for text in drawn if set(text.replace(",", "").split()) - known]
    assert 0.08 < len(slips) / len(drawn) < 0.22


def test_a_slip_changes_one_word_but_not_its_first_letter():
    rng = np.random.default_rng(0)
    for _ in range(50):
        words = misspell("a yellow umbrella", rng).split()
        wrong = [(a, b) for a, b in zip(words, ["a", "yellow", "umbrella"], strict=True) if a != b]
        assert len(wrong) <= 1
        assert all(slip[0] == right[0] for slip, right in wrong)


def test_short_words_are_not_misspelt():
    assert misspell("a red key", np.random.default_rng(0)) == "a red key"
