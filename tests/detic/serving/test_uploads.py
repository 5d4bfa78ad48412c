import pytest

from detic.errors import InputError
from detic.serving.limits import HTTPError, Limits
from detic.serving.uploads import parse_upload

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
