import json
from dataclasses import replace

import numpy as np
from pycocotools import mask as mask_util

from detic.outputs import WRITERS, ImageRecord


def test_json_lines_hold_one_image_each(tmp_path, found, image, categories):
    path = tmp_path / "found.jsonl"
    frame = ImageRecord("clip.mp4", image_id=8, stem="clip_000003", frame=3)
    with WRITERS["jsonl"](path, categories) as write:
        write(image, found)
        write(frame, found[[]])
    first, second = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert first["file_name"] == "photos/desk.jpg"
    assert (first["width"], first["height"]) == (60, 40)
    assert first["detections"][0]["name"] == "café, large"
    assert first["detections"][0]["label"] == 1
    assert first["detections"][0]["score"] == 0.75
    assert first["detections"][1]["box_xyxy"] == [0.0, 20.0, 12.0, 40.0]
    assert "frame" not in first
    assert (second["frame"], second["detections"]) == (3, [])


def test_parents_stand_beside_names(tmp_path, found_kinds, image, categories):
    with WRITERS["jsonl"](tmp_path / "f.jsonl", categories) as write:
        write(image, found_kinds)
    first, second = json.loads((tmp_path / "f.jsonl").read_text(encoding="utf-8"))["detections"]
    assert (first["name"], first["parent"]) == ("café, large", "drink")
    assert "parent" not in second


def test_masks_are_cocos_run_lengths(tmp_path, found, image, categories):
    with WRITERS["jsonl"](tmp_path / "f.jsonl", categories) as write:
        write(image, found)
    entry = json.loads((tmp_path / "f.jsonl").read_text(encoding="utf-8"))
    decoded = [mask_util.decode(detection["mask"]) for detection in entry["detections"]]
    np.testing.assert_array_equal(np.array(decoded, dtype=bool), found.masks)


def test_class_scores_are_written_if_there_are_any(tmp_path, found, image, categories):
    scored = replace(found, class_scores=np.array([[0.1, 0.75], [0.5, 0.25]]), masks=None)
    with WRITERS["jsonl"](tmp_path / "f.jsonl", categories) as write:
        write(image, scored)
    entry = json.loads((tmp_path / "f.jsonl").read_text(encoding="utf-8"))
    assert [d["class_scores"] for d in entry["detections"]] == [[0.1, 0.75], [0.5, 0.25]]
    assert "mask" not in entry["detections"][0]


def test_json_is_one_document_of_the_same_records(tmp_path, found, image, categories):
    for name in ("json", "jsonl"):
        with WRITERS[name](tmp_path / name, categories) as write:
            write(image, found)
            write(image, found)
    lines = (tmp_path / "jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads((tmp_path / "json").read_text(encoding="utf-8")) == list(
        map(json.loads, lines)
    )


def test_json_of_no_images_is_an_empty_list(tmp_path, categories):
    with WRITERS["json"](tmp_path / "f.json", categories):
        pass
    assert json.loads((tmp_path / "f.json").read_text()) == []


def test_tracked_objects_have_ids(tmp_path, found, image, categories):
    with WRITERS["jsonl"](tmp_path / "f.jsonl", categories) as write:
        write(image, replace(found, track_ids=np.array([7, -1])))
    entry = json.loads((tmp_path / "f.jsonl").read_text(encoding="utf-8"))
    assert [detection["track_id"] for detection in entry["detections"]] == [7, -1]
