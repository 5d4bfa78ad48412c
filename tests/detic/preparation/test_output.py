"""Writing what the preparation programs make."""

import json

import pytest

from detic.errors import InputError
from detic.preparation import output


def test_a_document_is_written_as_json_without_spaces(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "CHUNK", 2)
    document = {"info": {"year": 2017}, "images": [{"id": i} for i in range(5)], "annotations": []}
    sentence = output.save(tmp_path / "deep/a.json", document)
    text = (tmp_path / "deep/a.json").read_text()
    assert text == json.dumps(document, separators=(",", ":"))
    assert sentence.endswith("a.json: 5 images, 0 annotations")


def test_writing_shows_its_progress(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("detic.progress.MIN_DURATION", 0)
    output.save(tmp_path / "a.json", {"images": [{}, {}], "categories": [3]})
    assert "a.json: 3/3, " in capsys.readouterr().err


def test_image_labels_are_counted_where_there_are_no_annotations(tmp_path):
    images = [{"pos_category_ids": [1, 2]}, {"pos_category_ids": [1]}]
    document = {"images": images, "categories": [{}, {}], "annotations": []}
    sentence = output.save(tmp_path / "a.json", document)
    assert sentence.endswith("a.json: 2 images, 2 categories, 3 image labels")


def test_a_file_is_replaced_only_if_that_was_asked_for(tmp_path):
    path = tmp_path / "a.json"
    assert output.free_place(path, overwrite=False) == path
    path.write_text("mine")
    with pytest.raises(InputError, match=r"a\.json exists and is kept; --overwrite replaces it"):
        output.free_place(path, overwrite=False)
    assert output.free_place(path, overwrite=True) == path
    with pytest.raises(InputError, match="is a folder; name a file"):
        output.free_place(tmp_path, overwrite=True)


@pytest.mark.parametrize(
    ("path", "mark", "message"),
    [
        ("", "_norare", "is a folder; name an annotation file"),
        ("/", "_norare", "is a folder; name an annotation file"),
        ("a.json", "_../b", "'../b' names a folder"),
    ],
)
def test_a_mark_goes_into_the_name_of_a_file(path, mark, message):
    with pytest.raises(InputError, match=message):
        output.marked(path, mark)
