import json
from base64 import b64encode

import pytest

from detic.errors import InputError
from detic.serving.limits import HTTPError, Limits
from detic.serving.uploads import parse_upload

from .service_of_fakes import image_file

LIMITS = Limits(max_texts=4, max_text_length=10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["a", "b", "c", "d", "e"]', "has 5 names, synonyms and prompts"),
        ('[{"name": "a", "synonyms": ["b"], "prompts": ["{} x", "{} y", "z"]}]', "has 6 names"),
        ('["a name too long"]', "more than 10 characters"),
        ('[{"name": "a", "image": "/etc/passwd"}]', "has the field 'image'; choose"),
        ('[{"name": "a", "parent": "b"}]', "body.json, entry 1 .*unknown parent 'b'"),
        ('{"a": 1}', "expected a list"),
        ("[]", "names no class"),
        ('["a", "a"]', "both name 1 and name 2"),
    ],
)
def test_what_clients_send_is_checked(text, message):
    with pytest.raises((InputError, HTTPError), match=message):
        parse_upload(text, "body.json", LIMITS)


def test_objects_are_counted_before_they_are_made(monkeypatch):
    monkeypatch.delattr("detic.serving.uploads.parse_items")  # which would make them
    for item in ("{}", "[]", "1"):
        with pytest.raises(
            HTTPError, match=r"of the characters , \{ \[; at most 1,120 are read"
        ) as error:
            parse_upload(f"[{','.join([item] * 1121)}]", "body.json", LIMITS)
        assert error.value.status == 422


def test_all_that_limits_allow_is_read():
    limits = Limits(max_texts=1, max_text_length=2, max_examples=2)
    example = {"image": b64encode(image_file()).decode(), "box": [0, 0, 4, 4]}
    item = {"name": ",,", "color": [1, 2, 3], "negative": False, "examples": [example, example]}
    assert parse_upload(json.dumps([item]), "body.json", limits).classes.names == (",,",)
