import json

import numpy as np
import pytest
from PIL import Image

from detic_lite import InputError, LiteDetector


def outputs(boxes):
    count = len(boxes)
    return {
        "boxes": np.array(boxes, dtype=np.float32).reshape(-1, 4),
        "scores": np.linspace(0.9, 0.6, count, dtype=np.float32),
        "classes": np.arange(count) % 2,
        "region_embeddings": np.ones((count, 3), np.float32),
        "masks": np.ones((count, 28, 28), np.float32),
    }


def test_boxes_are_in_pixels_of_the_image(detector_of):
    detector = detector_of(lambda inputs: outputs([[0, 5, 10, 20], [2, 0, 30, 20]]))
    found = detector(np.zeros((40, 60, 3), np.uint8))  # the network sees 20 x 30
    assert found.boxes_xyxy.tolist() == [[0, 10, 20, 40], [4, 0, 60, 40]]
    assert found.names.tolist() == ["cat", "dog"]
    assert found.masks[0].sum() == 20 * 30


def test_boxes_in_the_filling_are_left_out(detector_of):
    detector = detector_of(
        lambda inputs: outputs([[0, 0, 10, 10], [31, 0, 40, 20]]), fixed_size_hw=(20, 40)
    )
    found = detector(np.zeros((20, 30, 3), np.uint8))
    assert found.boxes_xyxy.tolist() == [[0, 0, 10, 10]]
    assert len(found.scores) == len(found.masks) == len(found.region_embeddings) == 1


def test_masks_of_boxes_that_reach_into_the_filling_are_cut_not_squeezed(detector_of):
    found = outputs([[10, 0, 40, 20]])
    found["masks"][:, :, 14:] = 0  # the left half of the box: columns 10 to 24
    detector = detector_of(lambda inputs: found, fixed_size_hw=(20, 40))
    (mask,) = detector(np.zeros((20, 30, 3), np.uint8)).masks
    assert np.flatnonzero(mask[10]).tolist() == list(range(10, 25))


def test_negative_classes_need_one_class_per_box(detector_of, tmp_path):
    detector = detector_of(lambda inputs: outputs([]), one_class_per_box=False)
    detector.text_encoder = lambda texts: np.ones((len(texts), 3), np.float32)
    (tmp_path / "c.json").write_text(json.dumps(["cat", {"name": "ox", "negative": True}]))
    with pytest.raises(InputError, match=r"ox is negative, but .* --all-classes"):
        detector.set_vocabulary(tmp_path / "c.json")


def test_nothing_found_gives_empty_arrays(detector_of):
    found = detector_of(lambda inputs: outputs([]))(np.zeros((40, 60, 3), np.uint8))
    assert found.boxes_xyxy.shape == (0, 4)
    assert found.masks.shape == (0, 40, 60)
    assert found.names.shape == (0,)


def test_the_graph_gets_embeddings_and_thresholds(detector_of):
    given = {}
    detector = detector_of(lambda inputs: given.update(inputs) or outputs([]), score_threshold=0.2)
    detector(Image.new("RGB", (40, 40)))
    assert given["image"].shape == (20, 20, 3)
    assert given["class_embeddings"].tolist() == [[1, 0, 0], [0, 1, 0]]
    assert given["thresholds"] == pytest.approx([0.2, 0.2])


def test_files_of_names_set_thresholds_and_colours(detector_of, tmp_path):
    given = {}
    detector = detector_of(lambda inputs: given.update(inputs) or outputs([[0, 0, 9, 9]]))
    detector.text_encoder = lambda texts: np.array([[len(t), 0, 0] for t in texts], np.float32)
    entries = ["cat", {"name": "ox", "negative": True, "color": [1, 2, 3], "score_threshold": 0.7}]
    (tmp_path / "c.json").write_text(json.dumps([*entries, {"name": "a", "score_threshold": 0.1}]))
    detector.set_vocabulary(tmp_path / "c.json")
    found = detector(Image.new("RGB", (40, 40)))
    assert detector.names == ("cat", "ox", "a")
    assert given["class_embeddings"][:, 0].tolist() == [5, 4, 3]  # "a cat", "a ox", "a a"
    assert given["thresholds"][1] > 1
    assert given["thresholds"][[0, 2]] == pytest.approx([0.5, 0.1])
    assert found.class_colors == {"ox": (1, 2, 3)}


def test_lists_give_lists_and_masks_can_be_left_out(detector_of):
    detector = detector_of(lambda inputs: outputs([[0, 0, 10, 10]]))
    (found,) = detector([np.zeros((40, 60, 3), np.uint8)], masks=False)
    assert found.masks is None


def test_names_without_a_text_encoder_are_refused(detector_of, tmp_path):
    detector = detector_of(lambda inputs: outputs([]))
    with pytest.raises(InputError, match="--text-encoder"):
        detector.set_vocabulary(["red star"])


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_thresholds_are_scores(detector_of, threshold):
    with pytest.raises(InputError, match="score threshold"):
        detector_of(lambda inputs: outputs([]), score_threshold=threshold)


@pytest.mark.parametrize(
    ("name", "message"), [("m.onnx", "there is no file"), ("m.pt2", "no exported detector")]
)
def test_other_files_are_refused(tmp_path, name, message):
    with pytest.raises(InputError, match=message):
        LiteDetector(tmp_path / name, ["cat"])
