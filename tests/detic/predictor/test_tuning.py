"""Classes that a detector fits to examples."""

import cv2
import pytest
import torch
from torch.testing import assert_close
from torchvision.ops import box_iou

from detic.errors import InputError
from detic.modeling.meta_arch import CustomRCNN
from detic.modeling.request import DetectionRequest
from detic.predictor.region_reader import RegionReader
from detic.tuning import BoxedObject, ExampleImage
from detic.vocabulary import ClassEntry, ClassExample, Vocabulary
from tests.tiny_detector import noise


@pytest.fixture
def computed(monkeypatch):
    """The images whose regions were computed."""
    images = []
    compute = CustomRCNN.describe_regions

    def counted(model, inputs, *options):
        images.extend(inputs)
        return compute(model, inputs, *options)

    monkeypatch.setattr(CustomRCNN, "describe_regions", counted)
    return images


def shown_to(detector, image=None):
    """An example of a cat, where the detector has a region."""
    image = noise() if image is None else image
    box = tuple(detector(image).boxes_xyxy[0].tolist())
    return ExampleImage(image, (BoxedObject("cat", box),))


def probabilities(regions, columns):
    """(N, C) means over the stages."""
    return (regions.embeddings @ columns).sigmoid().mean(dim=0)


def read_regions(detector):
    reader = RegionReader(detector.model, detector.input_format, detector.precision)
    return reader(ExampleImage(noise())).regions


def test_regions_have_the_scores_of_detection(detector):
    inputs = [detector.input_format.model_input(noise())]
    classes = detector._prepared.requested(0.0, detector.device)
    request = DetectionRequest(classes=classes, masks=False, class_scores=True)
    found = detector.model.inference(inputs, request)[0]["instances"]
    (regions,) = detector.model.describe_regions(inputs)
    assert_close(regions.boxes_xyxy[found.box_index], found.pred_boxes.tensor)
    scores = (probabilities(regions, classes.columns[:, :-1]) * regions.scores[:, None]).sqrt()
    assert_close(scores[found.box_index], found.class_scores)


def test_a_tuned_class_is_likelier_on_its_example_and_the_others_stay(detector):
    before = detector.vocabulary
    tuned = detector.tune_vocabulary([shown_to(detector)] * 3)
    assert tuned.embeddings[1:].equal(before.embeddings[1:])
    regions = read_regions(detector)
    box = torch.tensor([shown_to(detector).objects[0].box_xyxy])
    is_on_box = box_iou(regions.boxes_xyxy, box)[:, 0] >= 0.5
    columns = [detector.model.classifier.columns(v.embeddings[:1]) for v in (before, tuned)]
    was, became = (probabilities(regions, c)[:, 0].log() for c in columns)
    assert (became - was)[is_on_box].mean() > 0


def test_regions_are_computed_once_unless_the_weights_differ(detector, computed, monkeypatch):
    first = read_regions(detector)
    second = read_regions(detector)
    assert len(computed) == 1
    assert all(a.equal(b) for a, b in zip(first, second, strict=True))
    weight = detector.model.roi_heads.box_predictor[0].cls_score.linear.weight
    monkeypatch.setattr(weight, "data", 2 * weight.data)
    read_regions(detector)
    assert len(computed) == 2


def test_a_class_of_a_vocabulary_is_fitted_to_its_examples(detector, tmp_path):
    path = str(tmp_path / "a.png")
    cv2.imwrite(path, noise())
    (shown,) = shown_to(detector).objects
    example = ClassExample(path, shown.box_xyxy)
    detector.set_vocabulary(Vocabulary((ClassEntry("cat", examples=(example,)), ClassEntry("dog"))))
    plain = detector.embed(["cat", "dog"]).embeddings
    tuned = detector.tune_vocabulary([shown_to(detector)], ["cat", "dog"]).embeddings
    found = detector.vocabulary
    assert not found.embeddings[0].equal(plain[0])
    assert_close(found.embeddings, tuned)
    assert detector.embed(found) is found  # it is fitted once


def test_a_tuned_vocabulary_is_a_file_like_any_other(detector, tmp_path):
    tuned = detector.tune_vocabulary([shown_to(detector)])
    detector.write_vocabulary(tmp_path / "tuned.safetensors", tuned)
    read = detector.embed(tmp_path / "tuned.safetensors")
    assert read.names == tuned.names
    assert read.embeddings.equal(tuned.embeddings)


def test_an_image_that_is_missing_is_named(detector, tmp_path):
    missing = ExampleImage(tmp_path / "a.png", labels=("cat",))
    with pytest.raises(InputError, match=r"there is no image '.*a\.png'"):
        detector.tune_vocabulary([missing])


def test_a_detector_without_regions_is_refused(detector):
    with pytest.raises(InputError, match="on regions, which Linear has not; choose a two-stage"):
        RegionReader(torch.nn.Linear(1, 1), detector.input_format, detector.precision)
