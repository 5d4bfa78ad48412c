"""The files that supervision reads, read by it."""

import cv2
import numpy as np
import pytest

from detic.outputs import WRITERS

sv = pytest.importorskip("supervision")


@pytest.fixture
def photos(tmp_path):
    """A folder with the image, of the size that the detections are of."""
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "desk.jpg"), np.zeros((40, 60, 3), np.uint8))
    return tmp_path / "photos"


def write(name, folder, image, found, categories):
    with WRITERS[name](folder, categories) as writer:
        writer(image, found)


def test_yolo_labels_are_a_dataset(photos, tmp_path, image, found, categories):
    write("yolo", tmp_path, image, found, categories)
    dataset = sv.DetectionDataset.from_yolo(
        images_directory_path=str(photos),
        annotations_directory_path=str(tmp_path / "labels"),
        data_yaml_path=str(tmp_path / "data.yaml"),
    )
    assert dataset.classes == ["cat", "café, large"]
    ((_, _, read),) = dataset
    assert read.class_id.tolist() == [1, 0]
    np.testing.assert_array_equal(read.mask, found.masks)


def test_voc_annotations_are_a_dataset(photos, tmp_path, image, found, categories):
    write("voc", tmp_path / "xml", image, found, categories)
    dataset = sv.DetectionDataset.from_pascal_voc(
        images_directory_path=str(photos), annotations_directory_path=str(tmp_path / "xml")
    )
    ((_, _, read),) = dataset
    assert [dataset.classes[label] for label in read.class_id] == ["café, large", "cat"]
    np.testing.assert_allclose(read.xyxy, found.boxes_xyxy, atol=1)


def test_detections_are_those_of_supervision(found_kinds):
    converted = found_kinds.to_supervision()
    assert isinstance(converted, sv.Detections)
    assert converted[converted.confidence > 0.6].data["parent"].tolist() == ["drink"]
    np.testing.assert_array_equal(converted.mask, found_kinds.masks)
