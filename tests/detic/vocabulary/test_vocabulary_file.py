import json

import pytest

from detic.errors import InputError
from detic.vocabulary.names import as_file_items
from detic.vocabulary.vocabulary import ClassEntry, ClassExample, Vocabulary
from detic.vocabulary.vocabulary_file import _names_in_circles, read_vocabulary_file

FULL_YAML = """
- cat
- name: mug
  synonyms: [cup, beaker]
  prompts: ["a photo of a {}", my mug]
  parent: vessel
  score_threshold: 0.4
  color: [255, 128, 0]
- {name: vessel, negative: true}
"""


def write(tmp_path, text, name="classes.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_with_every_field(tmp_path):
    assert read_vocabulary_file(write(tmp_path, FULL_YAML)).entries == (
        ClassEntry("cat"),
        ClassEntry(
            "mug",
            synonyms=("cup", "beaker"),
            prompts=("a photo of a {}", "my mug"),
            parent="vessel",
            score_threshold=0.4,
            color=(255, 128, 0),
        ),
        ClassEntry("vessel", negative=True),
    )


def test_examples_lie_beside_the_file(tmp_path):
    text = "- {name: mug, examples: [{image: a.png, box: [1, 2, 3, 4.5]}, /b.png]}"
    (mug,) = read_vocabulary_file(write(tmp_path, text)).entries
    beside = ClassExample(str(tmp_path / "a.png"), (1.0, 2.0, 3.0, 4.5))
    assert mug.examples == (beside, ClassExample("/b.png"))
    joined = write(tmp_path, json.dumps(as_file_items(Vocabulary((mug,)))), "joined.json")
    assert read_vocabulary_file(joined).entries == (mug,)


def test_json_of_names_and_mappings(tmp_path):
    path = write(tmp_path, json.dumps(["cat", {"name": "dog", "synonyms": ["hound"]}]), "c.json")
    assert read_vocabulary_file(path).entries == (ClassEntry("cat"), ClassEntry("dog", ("hound",)))


def test_text_has_one_name_a_line_and_comments(tmp_path):
    path = write(tmp_path, "\ufeff# pets\ncat\n\n traffic light # not a pet\nc#sharp\n", "c.txt")
    assert read_vocabulary_file(path).names == ("cat", "traffic light", "c#sharp")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {name: a, synonym: [b]}", "entry 1: unknown field 'synonym'; .*mean 'synonyms'"),
        ("- cat\n- dog\n- cat", "'cat' is both name 1 and name 3"),
        ("- cat\n- ''", "name 2 is empty"),
        ("- cat\n- no", "entry 2 is bool False; expected a name .quote it"),
        ("- {synonyms: [b]}", "entry 1 has no name; add one"),
        ("- {name: 7}", "entry 1: 'name' is int 7; expected a text"),
        ("- {name: a, synonyms: b}", "'synonyms' is str 'b'; expected a list of texts"),
        ("- {name: a, prompts: ['']}", "'prompts' is list .* expected a list of texts"),
        ("- {name: a, negative: 1}", "'negative' is int 1; expected true or false"),
        ("- {name: a, score_threshold: 40}", "'score_threshold' is int 40; expected a number from"),
        ("- {name: a, score_threshold: null}", "'score_threshold' is nothing"),
        ("- {name: a, color: [256, 0, 0]}", r"'color' is list \[256, 0, 0\]; expected red, green"),
        ("- {name: a, color: red}", "'color' is str 'red'"),
        ("- {name: a, examples: a.png}", "'examples' is str 'a.png'; expected a list of images"),
        ("- {name: a, examples: [{box: [0, 0, 1, 1]}]}", "'examples' is list .*{image: a.jpg, box"),
        ("- {name: a, examples: [{image: b, box: [0, 1, 2]}]}", "'examples' is list"),
        ("- {name: a, examples: [{image: b, box: [0, 1, 2, .nan]}]}", "'examples' is list"),
        ("- {name: a, parent: b}\n- c", r"entry 1 \('a'\): unknown parent 'b'; choose a or c"),
        ("- {name: a, parent: b}\n- {name: b, parent: a}", r"entry 1 \('a'\) is its own ancestor"),
        ("- {name: a, parent: b}\n- {name: b, parent: b}", r"entry 2 \('b'\) is its own ancestor"),
        ("classes: [a]", "holds dict .* expected a list of names"),
        ("", "holds nothing; expected a list"),
        ("[]", "names no class; write at least one"),
        ("- [", "is not valid YAML"),
        ('- "a\\nb"', r"name 1: 'a\\nb' has the unprintable sign U\+000A; remove it"),
        ('- "a\\x00"', r"U\+0000"),
        ('- "a\\x7f"', r"U\+007F"),
        ('- "a\\u2028b"', r"U\+2028"),  # separates lines for some programs
        ('- "a\\ufffe"', r"U\+FFFE"),
        ('- {name: a, synonyms: [b, "c\\td"]}', r"'synonyms': 'c\\td' has .* U\+0009"),
        ('- {name: a, prompts: ["a {}\\nb"]}', r"'prompts'.* U\+000A"),
    ],
)
def test_mistakes_are_named_with_file_and_entry(text, message, tmp_path):
    with pytest.raises(InputError, match=rf"classes\.yaml.*{message}"):
        read_vocabulary_file(write(tmp_path, text))


def test_broken_json_is_named(tmp_path):
    with pytest.raises(InputError, match=r"c\.json is not valid JSON \(.*line 1"):
        read_vocabulary_file(write(tmp_path, "[", "c.json"))


def test_unknown_format_lists_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"file format '\.csv'; choose \.txt, \.yaml, \.yml or"):
        read_vocabulary_file(tmp_path / "classes.csv")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.txt not found; looked for "):
        read_vocabulary_file(tmp_path / "gone.txt")


def test_other_encodings_are_refused(tmp_path):
    (tmp_path / "c.txt").write_bytes("müsli".encode("latin-1"))
    with pytest.raises(InputError, match=r"c\.txt is not UTF-8"):
        read_vocabulary_file(tmp_path / "c.txt")


def test_halves_of_characters_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"c\.json: name 1: .* unprintable sign U\+D800"):
        read_vocabulary_file(write(tmp_path, '["a\\ud800"]', "c.json"))


class CountedParents(dict):
    """It counts how often a parent is looked for."""

    num_looks = 0

    def get(self, name):
        self.num_looks += 1
        return super().get(name)


def test_a_chain_of_parents_is_passed_once():
    parents = CountedParents({str(n): str(n + 1) for n in range(100)})
    assert _names_in_circles(parents) == set()
    assert parents.num_looks == 101
    parents["99"] = "98"
    assert _names_in_circles(parents) == {"98", "99"}
