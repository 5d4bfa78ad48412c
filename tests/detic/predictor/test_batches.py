"""What is found in an image does not depend on its neighbours in a batch."""

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest

from detic.demo.detection_run import DetectionRun, RunOptions
from detic.demo.inputs import find_inputs
from detic.demo.run_images import run_images
from detic.predictor.batches import batches
from tests.tiny_detector import noise

# Sums of a batch are rounded otherwise than those of an image alone. In float64, rounding is too small
# to let another of two boxes win that are as good as equal, which those of random weights often are.
BOX_TOLERANCE_PX, SCORE_TOLERANCE = 1e-4, 1e-6


@pytest.fixture(scope="module")
def detector(shared_detector):
    """A detector that computes in float64."""
    exact = pickle.loads(pickle.dumps(shared_detector))
    exact.model.double()
    columns = exact._prepared.columns.double()
    exact._prepared = replace(exact._prepared, columns=columns)
    return exact


def assert_same(found, expected):
    np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=BOX_TOLERANCE_PX)
    np.testing.assert_allclose(found.scores, expected.scores, atol=SCORE_TOLERANCE)
    assert found.names.tolist() == expected.names.tolist()
    assert found.image_size_hw == expected.image_size_hw


def images_of_many_sizes(seed, count=4):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(20, 140, (count, 2)).tolist()
    return [noise(height, width, seed=i) for i, (height, width) in enumerate([*sizes, sizes[0]])]


@pytest.mark.parametrize("seed", range(2))
def test_images_of_any_sizes_give_together_what_they_give_alone(detector, seed):
    images = images_of_many_sizes(seed)
    for found, image in zip(detector(images), images, strict=True):
        assert_same(found, detector(image))


def test_images_of_equal_padded_size_share_a_batch(detector, monkeypatch):
    sizes = []
    inference = detector.model.inference

    def record(inputs, request):
        sizes.append(len(inputs))
        return inference(inputs, request)

    monkeypatch.setattr(detector.model, "inference", record)
    detector([noise(64, 80), noise(64, 300), noise(64, 81), noise(64, 300)])
    assert sorted(sizes) == [2, 2]


def test_padded_sizes_are_those_of_the_network(detector):
    model = detector.model
    for image in images_of_many_sizes(seed=3, count=2):
        model_input = detector.input_format.model_input(image)
        batch = model.preprocess_image([model_input]).tensor
        assert model.padded_size_hw(model_input["image"].shape[1:]) == tuple(batch.shape[2:])


def test_the_program_too_finds_in_batches_what_is_there_alone(detector, tmp_path):
    for number, image in enumerate(images_of_many_sizes(seed=4)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    files = [(file, i) for i, file in enumerate(find_inputs([str(tmp_path)]).files)]
    found = {}
    for size in (1, 4):
        of_size = found[size] = []
        sinks = [lambda image, detections, of_size=of_size: of_size.append(detections)]
        run_images(DetectionRun(detector, RunOptions(sinks=sinks, batch_size=size)), files)
    for together, alone in zip(found[4], found[1], strict=True):
        assert_same(together, alone)


def test_batches_are_read_as_they_are_asked_for():
    numbers = iter(range(5))
    assert next(batches(numbers, 2)) == [0, 1]
    assert next(numbers) == 2
    assert list(batches(numbers, 2)) == [[3, 4]]
