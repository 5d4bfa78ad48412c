"""Writing what the preparation programs make."""

import json

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
    output.save(tmp_path / "a.json", {"images": [1, 2], "categories": [3]})
    assert "a.json: 3/3, " in capsys.readouterr().err
