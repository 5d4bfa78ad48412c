"""A vocabulary whose classes are fitted to made-up regions."""

import pytest
import torch

from detic.errors import InputError
from detic.modeling.regions import RegionFeatures
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from detic.tuning import BoxedObject, ExampleImage, tune
from detic.tuning.tune import DescribedImage
from detic.vocabulary import Vocabulary

BOX_OF_AXIS = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [0, 30, 60, 60]])
NAMES = ("cat", "dog", "gull")


@pytest.fixture
def classifier():
    return ZeroShotClassifier(in_features=4, class_embeddings=torch.eye(4)[:3], temperature=10.0)


def vocabulary():
    """Class vectors of different lengths, none along the axis of its class."""
    vectors = torch.tensor([[1.0, 0, 0, 2], [0, 1, 0, 3], [0, 0, 1, 4]])
    return Vocabulary.from_names(NAMES).with_embeddings(vectors)


def describe(_):
    """Four regions, along one axis each."""
    embeddings = 10 * torch.eye(4)[None].repeat(2, 1, 1)
    return DescribedImage((60, 60), RegionFeatures(embeddings, BOX_OF_AXIS, torch.full((4,), 0.5)))


def example(axis, name, **options):
    return ExampleImage("a.png", (BoxedObject(name, tuple(BOX_OF_AXIS[axis].tolist())),), **options)


def tuned(classifier, *examples, **options):
    return tune(vocabulary(), list(examples), describe, [classifier] * 2, **options)


def test_classes_with_examples_turn_to_them_the_others_stay_to_the_bit(classifier):
    found = tuned(classifier, *[example(0, "cat")] * 20)
    before = vocabulary().embeddings
    assert found.names == NAMES
    assert found.embeddings[1:].equal(before[1:])
    assert found.embeddings[0, 0] > before[0, 0]  # the axis of its region
    assert found.embeddings[0, 3] < before[0, 3]  # that of the others
    assert found.embeddings[0].norm() == pytest.approx(before[0].norm().item())


def test_only_the_classes_that_are_asked_for_change(classifier):
    examples = [example(0, "cat"), example(1, "dog")]
    found = tuned(classifier, *examples, classes=["Dog"]).embeddings
    assert found[[0, 2]].equal(vocabulary().embeddings[[0, 2]])
    assert not found[1].equal(vocabulary().embeddings[1])


def test_a_label_counts_for_the_largest_region(classifier):
    labelled = [ExampleImage("b.png", labels=("gull",))] * 50
    # The last region is never taken, so the third stands for the label.
    found = tuned(classifier, *labelled).embeddings
    assert found[2, 3] < 4
    assert found[:2].equal(vocabulary().embeddings[:2])


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (example(0, "cet"), r"a\.png: unknown class 'cet'; choose cat, dog or gull .*mean 'cat'"),
        (
            ExampleImage("a.png", (BoxedObject("cat", (5, 5, 5, 9)),)),
            r"a\.png: the box \[5, 5, 5, 9\] of 'cat' has no area; expected x0 < x1 and y0 < y1",
        ),
        (
            ExampleImage("a.png", (BoxedObject("cat", (60, 0, 70, 9)),)),
            "of 'cat' lies outside of the image, which is 60 x 60 pixels",
        ),
        (
            ExampleImage("a.png", (BoxedObject("cat", (30, 12, 33, 16)),)),
            "a.png: the detector has no region on 'cat', nor in any other of its 1 images; draw",
        ),
        (ExampleImage("a.png", labels=("sparrow",)), "a.png: unknown class 'sparrow'"),
    ],
    ids=["unknown name", "no area", "outside", "no region", "unknown label"],
)
def test_an_example_that_says_nothing_is_named(classifier, shown, message):
    with pytest.raises(InputError, match=message):
        tuned(classifier, shown)


def test_a_class_to_tune_needs_an_example(classifier):
    with pytest.raises(InputError, match="there is no example of the class 'dog', which is to be"):
        tuned(classifier, example(0, "cat"), classes=["dog"])
    with pytest.raises(InputError, match="there are no examples; give at least one image"):
        tuned(classifier)
