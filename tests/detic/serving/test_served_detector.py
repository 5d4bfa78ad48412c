import numpy as np
import pytest
import torch
from PIL import Image

from detic import compact_masks
from detic.compact_masks import CompactMasks
from detic.result_rows import encoded_masks
from detic.serving.served_detector import LocalDetector, weights_version
from detic.vocabulary import Vocabulary
from detic.vocabulary.prompts import resolve_template
from detic.vocabulary.vocabulary import ClassEntry, ClassExample
from tests.tiny_detector import noise, write_tiny_files


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETIC_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield write_tiny_files(tmp_path_factory.mktemp("tiny")).detector(["cat", "dog"])


def test_it_finds_what_the_detector_finds(detector):
    served = LocalDetector(detector, "tiny")
    prepared = served.prepare(Vocabulary.from_names(["red star"]))
    found = served.detect([noise(), noise(seed=1)], prepared, threshold=0.0, masks=False)
    expected = detector([noise(), noise(seed=1)], vocabulary=prepared, threshold=0.0, masks=False)
    for one, other in zip(found, expected, strict=True):
        assert set(one.names) == {"red star"}
        assert one.masks is None
        np.testing.assert_array_equal(one.scores, other.scores)


def test_masks_of_large_images_are_compact_and_the_same(detector, monkeypatch):
    detector.compact_masks = False
    (expected,) = detector([noise()], threshold=0.0)
    served = LocalDetector(detector, "tiny")
    monkeypatch.setattr(compact_masks, "MAX_ARRAY_BYTES", 3 * expected.masks[0].nbytes)
    (found,) = served.detect([noise()], detector._prepared, threshold=0.0, masks=True)
    assert len(found) > 3
    assert isinstance(found.masks, CompactMasks)
    assert encoded_masks(found.masks) == encoded_masks(expected.masks)
    assert expected.masks.any()
    np.testing.assert_array_equal(found.boxes_xyxy, expected.boxes_xyxy)


def test_names_of_clients_are_not_kept_on_disk(detector):
    cache = detector.vocabulary_reader.embedder.cache
    LocalDetector(detector, "tiny").prepare(Vocabulary.from_names(["a name of a client"]))
    kept = cache.load(resolve_template(detector.vocabulary_reader.prompt))
    assert "cat" in kept
    assert not any("client" in text for text in kept)


def test_examples_change_the_vector_of_their_class_alone(detector, tmp_path, monkeypatch):
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path / "cache"))
    Image.fromarray(noise()).save(tmp_path / "example", "PNG")
    example = ClassExample(str(tmp_path / "example"), (10, 10, 70, 50))
    entries = (ClassEntry("cat", examples=(example,)), ClassEntry("dog"))
    served = LocalDetector(detector, "tiny")
    fitted = served.prepare(Vocabulary(entries)).vocabulary.embeddings
    named = served.prepare(Vocabulary.from_names(["cat", "dog"])).vocabulary.embeddings
    assert not torch.equal(fitted[0], named[0])
    assert torch.equal(fitted[1], named[1])
    assert not (tmp_path / "cache").exists()  # nothing of clients' images stays


def test_images_share_a_batch_if_their_padded_sizes_are_equal(detector):
    key = LocalDetector(detector, "tiny").batch_key
    assert key((60, 80)) == key((120, 160)) == detector.model.padded_size_hw((64, 85))
    assert key((60, 80)) != key((80, 60))


def test_the_version_changes_with_the_weights(detector):
    before = weights_version(detector)
    assert before == LocalDetector(detector, "tiny").version
    bias = next(iter(detector.model.parameters()))
    bias.data += 1
    assert weights_version(detector) != before
    bias.data -= 1
