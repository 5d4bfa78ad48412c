import pytest

from detic.errors import InputError
from detic.vocabulary.prompts import (
    fill_template,
    fix_space,
    resolve_template,
    resolve_templates,
    underscore,
)


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("a", "a apple"),  # never "an": the released classifiers were made so
        ("none", "apple"),
        ("photo", "a photo of a apple"),
        ("scene", "a photo of a apple in the scene"),
        ("two {} on a table", "two apple on a table"),  # any text with {}
    ],
)
def test_templates(template, sentence):
    assert fill_template(resolve_template(template), "apple") == sentence


def test_a_template_without_place_for_the_name_stays_as_it_is():
    assert fill_template("my red mug", "mug") == "my red mug"


def test_braces_in_a_name_are_kept():
    assert fill_template("a {}", "set {1, 2}") == "a set {1, 2}"


def test_ensemble_drops_repeated_templates():
    assert resolve_templates(["photo", "a", "a {}"]) == ("a photo of a {}", "a {}")


def test_one_text_is_an_ensemble_of_one():
    assert resolve_templates("photo") == ("a photo of a {}",)


def test_unknown_template_lists_the_choices():
    with pytest.raises(InputError, match=r"unknown prompt template 'foto'; .*did you mean 'photo'"):
        resolve_template("foto")


def test_empty_ensemble_is_refused():
    with pytest.raises(InputError, match="no prompt template given; choose at least one of a,"):
        resolve_templates([])


def test_name_rewrites():
    assert fix_space("trash_can") == "trash can"
    assert underscore(" Tape Measure/ Ruler ") == "Tape_Measure/Ruler"
