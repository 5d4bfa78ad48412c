"""YAML of plain values: what is read, what is refused and in which words."""

import pytest

from detic.errors import InputError
from detic.yaml_files import parse_yaml, read_yaml

BOMB = "\n".join(
    ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    + [
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]"
        for a, b in zip("abcdefghijk", "bcdefghijkl", strict=True)
    ]
)


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("", None),
        ("a: &x {b: [1, 0.5]}\nc: *x", {"a": {"b": [1, 0.5]}, "c": {"b": [1, 0.5]}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("\ufeffa: yes", {"a": True}),
    ],
)
def test_plain_values_are_read(tmp_path, text, document):
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    assert read_yaml(path) == document


def test_a_key_that_is_given_twice_is_told_of(caplog):
    text = "SOLVER: {A: 1}\nMODEL: {}\nSOLVER: {B: 2}"
    assert parse_yaml(text, "a.yaml") == {"SOLVER": {"B": 2}, "MODEL": {}}
    assert "a.yaml, line 3: 'SOLVER' is given twice; the last counts" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: !!python/object/apply:os.system [x]", "line 2 .*only plain values are read"),
        ("a: !!python/name:os.system", "line 1 .*only plain values are read"),
        ("a: !mine 5", "line 1 .*only plain values are read"),
        ("a: 1\nb: 2026-13-45", "line 2 .*'2026-13-45' is no timestamp"),
        ("a: " + "1" * 5000, "line 1 .*'1111.* is no int"),
        ("a: !!float xyz", "'xyz' is no float"),
        ("a: !!timestamp x", "'x' is no timestamp"),
        ("a: !!int ''", "'' is no int"),
        ("a: !!bool x", "'x' is no bool"),
        ("? [1]\n: 2", "unhashable key"),
        ("&a [*a]", "holds the alias"),
        ("a: &a {b: *a}", "holds the alias"),
        (BOMB, "line .* stands for more than 1,000,000 values"),
        ("[" * 41 + "]" * 41, "more than 40 lists and mappings inside each other"),
        ("[" * 5000, "more than 40 lists and mappings inside each other"),
        ("{a: " * 5000, "more than 40 lists and mappings inside each other"),
        ("a: [", "line 1 .*not valid YAML"),
        ("a: *x", "undefined alias 'x'"),
        ("a: 1\n---\nb: 2", "line 2 .*another document"),
        ("a: \x00", "unacceptable character"),
    ],
    ids=lambda value: value[:20],
)
def test_anything_else_is_refused_with_its_place(text, message):
    with pytest.raises(InputError, match=rf"^here.* is not valid YAML: |{message}") as caught:
        parse_yaml(text, "here")
    assert caught.match(message)
    assert len(str(caught.value)) < 400
