import json
from xml.etree import ElementTree

import numpy as np
import pytest

from detic.errors import InputError
from detic.own_data.formats import read_export
from detic.result_rows import decoded_masks
from detic.review.label_studio import labelling_config, task
from tests.quick_labeller import found_in


def accept(folder):
    """Export tasks as Label Studio does when an annotator accepts all predictions."""
    tasks = json.loads((folder / "tasks.json").read_text())
    for number, one in enumerate(tasks, start=1):
        one["id"] = number
        one["annotations"] = one.pop("predictions")
    path = folder / "export.json"
    path.write_text(json.dumps(tasks))
    return path


def same_objects(image, name, with_masks):
    found = found_in(name)
    corners = found.boxes_xyxy
    assert [o.name for o in image.objects] == found.names.tolist()
    if not with_masks:
        expected = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
        boxes = np.array([o.box_xywh for o in image.objects]).reshape(-1, 4)
        np.testing.assert_allclose(boxes, expected, atol=1e-3)
        return
    masks = decoded_masks([o.mask for o in image.objects], found.image_size_hw)
    np.testing.assert_array_equal(masks, found.masks)


@pytest.mark.parametrize("flags", [(), ("--boxes-only",), ("--copy-images",)])
def test_accepted_predictions_come_back_as_they_were(job, photos, merged, tmp_path, flags):
    folder = merged(job, "label-studio", "review", *flags)
    root = folder if "--copy-images" in flags else tmp_path
    images = read_export(accept(folder), root)
    assert len(images) == len(photos)
    for image, name in zip(images, photos, strict=True):
        assert image.path.read_bytes() == (tmp_path / name).read_bytes()
        same_objects(image, name, "--boxes-only" not in flags)


def test_tasks_have_scores_and_addresses_relative_to_the_root(job, merged, tmp_path):
    folder = merged(job, "label-studio", "review", "--image-root", str(tmp_path / "photos"))
    tasks = json.loads((folder / "tasks.json").read_text())
    assert tasks[0]["data"] == {"image": "/data/local-files/?d=1.png"}
    for one in tasks:
        [prediction] = one["predictions"]
        assert prediction["model_version"] == job.id
        scores = [result["score"] for result in prediction["result"]]
        assert prediction["score"] == min(scores, default=0)


def test_review_takes_the_most_uncertain_images_in_their_order(job, photos, merged):
    folder = merged(job, "label-studio", "review", "--review", "2")
    scores = [
        one["predictions"][0]["score"] for one in json.loads((folder / "tasks.json").read_text())
    ]
    assert scores == [0.6, 0.6]  # of 0.9, and 0.9 with 0.6


def test_images_outside_of_the_root_are_refused(job, merged, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(InputError, match=r"photos/1\.png is not below .*elsewhere; .*--image-root"):
        merged(job, "label-studio", "review", "--image-root", str(tmp_path / "elsewhere"))
    assert not (tmp_path / "review").exists()


def test_rectangles_are_in_percent_of_the_image():
    found = {"name": "cup", "score": 0.7, "box_xyxy": [10, 5, 40, 20]}
    image = {"image_id": 3, "width": 100, "height": 50, "detections": [found]}
    [result] = task(image, "a.jpg", "m")["predictions"][0]["result"]
    assert result["value"] == {
        **{"x": 10, "y": 10, "width": 30, "height": 30, "rotation": 0},
        "rectanglelabels": ["cup"],
    }
    assert (result["from_name"], result["type"]) == ("box", "rectanglelabels")


def test_the_configuration_names_every_class_whatever_its_signs():
    names = ["cup", 'a "<b>" & c']
    root = ElementTree.fromstring(labelling_config(names))
    for control in ("RectangleLabels", "BrushLabels"):
        assert [label.get("value") for label in root.find(control)] == names


def test_label_studio_itself_reads_our_brushes(job, merged):
    brush = pytest.importorskip("label_studio_sdk.converter.brush")
    tasks = json.loads((merged(job, "label-studio", "review") / "tasks.json").read_text())
    results = [result for one in tasks for result in one["predictions"][0]["result"]]
    assert results
    for result in results:
        opacity = brush.decode_rle(result["value"]["rle"]).reshape(48, 64, 4)[..., 3]
        label = ["cup", "mug"].index(result["value"]["brushlabels"][0])
        np.testing.assert_array_equal(opacity > 0, np.eye(48, 64, k=label, dtype=bool))


@pytest.mark.parametrize("flags", [(), ("--boxes-only",)])
def test_label_studio_itself_finds_our_predictions_valid(job, merged, flags):
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    folder = merged(job, "label-studio", "review", *flags)
    config = interface.LabelInterface((folder / "config.xml").read_text())
    config.validate()
    for one in json.loads((folder / "tasks.json").read_text()):
        [prediction] = one["predictions"]
        assert config.validate_prediction(prediction, return_errors=True) == []
