"""Annotation files read in blocks of records."""

import io
import json

import pytest

from detic.datasets import annotation_blocks
from detic.datasets.annotation_blocks import record_blocks

RECORDS = [
    {"id": 1, "text": 'a "}, {" in a text', "mask": [[1.25, -2, 3e2]]},
    {"id": 2, "empty": [], "none": None, "points": [{"x": 1}, {"x": 2}]},
    {"id": 3, "name": "ä\\", "mask": {"size": [1, 2], "counts": "]}{["}},
] * 5
CONTENT = {
    "info": {"of": [{"a": 1}, {"b": "}"}]},
    "images": RECORDS,
    "licenses": [{"id": 1}, {"id": 2}],
    "annotations": [],
    "year": 2017,
    "categories": RECORDS[:1],
}
SECTIONS = ("images", "annotations", "categories")


def read(text, sections=SECTIONS):
    content = text if isinstance(text, bytes) else text.encode()
    found = {}
    for section, records in record_blocks(io.BytesIO(content), sections):
        found.setdefault(section, []).extend(records)
    return found


@pytest.fixture(params=[250, 263, 400, 10**6])
def block(request, monkeypatch):
    """Sizes of blocks: from those with one record on."""
    monkeypatch.setattr(annotation_blocks, "BLOCK", request.param)
    monkeypatch.setattr(annotation_blocks, "LONGEST_VALUE", 200)


@pytest.mark.parametrize("indent", [None, 0, 3])
@pytest.mark.parametrize("start", ["", "\ufeff", " \n"])
def test_the_lists_are_those_of_the_file_whatever_the_blocks(block, indent, start):
    text = start + json.dumps(CONTENT, indent=indent, ensure_ascii=False) + "\n"
    assert read(text) == {section: CONTENT[section] for section in SECTIONS}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"images": [{"a": 1}]',
        '{"images": [{"a": 1}, ]}',
        '{"images": [{"a": 1} {"a": 2}]}',
        '{"images": [{"a": NaN}]}',
        '{"images": [{"a": 1}]} x',
        '{"images": [{"a": 1}], "images": []}',
        '{"images": {"a": 1}}',
        '{"im\\u0061ges": []}',
        '{"info": tru, "images": []}',
        b'{"images": [{"a": "\xff"}]}',
        b'{"info": "\xff", "images": []}',
    ],
)
def test_damaged_and_unusual_files_are_left_to_others(text):
    with pytest.raises(ValueError):  # noqa: PT011 - of the parser, whose messages differ
        read(text)


def test_reading_without_a_fast_parser_is_the_same(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "orjson", None)
    assert read(json.dumps(CONTENT))["images"] == RECORDS
