"""What can be served: anything that prepares vocabularies and detects in batches."""

import hashlib
import tempfile
from collections.abc import Hashable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from detic.detections import Detections
from detic.predictor import Detector
from detic.predictor.region_reader import RegionReader
from detic.tuning import examples_of_classes, tune, without_examples
from detic.tuning.region_cache import RegionCache
from detic.vocabulary import EmbeddedVocabulary, Vocabulary

VERSION_DIGITS = 12  # of a digest
_REMEMBERED_SIZES = 4096


class ServedDetector(Protocol):
    """What the service needs of a detector. One thread detects, another one prepares."""

    name: str
    version: str  # changes with the weights
    classes: Vocabulary  # what it looks for unless told otherwise
    threshold: float  # lowest score reported unless told otherwise

    def prepare(self, classes: Vocabulary) -> Any:
        """Return a vocabulary as ``detect`` takes it; it never changes.

        Args:
            classes: the images of their examples are files, which are gone afterwards.

        Raises:
            InputError: it does not suit the detector.
        """

    def batch_key(self, image_size_hw: tuple[int, int]) -> Hashable:
        """Return what is equal for images that can share a batch without a change of results."""

    def detect(
        self, images: Sequence[np.ndarray], vocabulary: Any, *, threshold: float, masks: bool
    ) -> list[Detections]:
        """Return what is found in each image, (H, W, 3) uint8 BGR."""


class LocalDetector:
    """A ``Detector`` of this process as the service takes it.

    Args:
        detector: no one else changes it.
        name: by which clients know it.
    """

    def __init__(self, detector: Detector, name: str):
        self.name = name
        self.version = weights_version(detector)
        self.classes: Vocabulary = detector.vocabulary
        self.threshold = detector.score_threshold
        self.batch_key = lru_cache(_REMEMBERED_SIZES)(self._padded_size_hw)
        self._detector = detector
        detector.compact_masks = True  # those of a huge image would take gigabytes

    def prepare(self, classes: Vocabulary) -> Any:
        if not isinstance(classes, EmbeddedVocabulary):
            # Names come from anyone: the memory on disk would grow without bound.
            self._detector.vocabulary_reader.embedder.cache.is_read_only = True
        if any(entry.examples for entry in classes.entries):
            classes = self._fitted(classes)
        return self._detector.prepare_vocabulary(classes)

    def _fitted(self, classes: Vocabulary) -> EmbeddedVocabulary:
        """Return classes with the vectors that their examples give them."""
        detector = self._detector
        embedded = detector.vocabulary_reader.read(classes)
        describe = RegionReader(
            detector.model, detector.input_format, detector.precision, detector.recipe
        )
        with tempfile.TemporaryDirectory() as folder:  # images come from anyone, too
            describe.cache = RegionCache(Path(folder), describe.cache.detector)
            return tune(
                without_examples(embedded),
                examples_of_classes(embedded),
                describe,
                describe.model.roi_heads.stage_classifiers,
            )

    def _padded_size_hw(self, image_size_hw: tuple[int, int]) -> Hashable:
        detector = self._detector
        return detector.model.padded_size_hw(detector.input_format.size_hw(image_size_hw))

    def detect(
        self, images: Sequence[np.ndarray], vocabulary: Any, *, threshold: float, masks: bool
    ) -> list[Detections]:
        return self._detector(
            list(images),
            vocabulary=vocabulary,
            threshold=threshold,
            masks=masks,
            batch_size=len(images),
        )


def weights_version(detector: Detector) -> str:
    """Return the first digits of a digest of a detector's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(detector.model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy())
    return digest.hexdigest()[:VERSION_DIGITS]
