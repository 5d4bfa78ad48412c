"""Exported detectors as the service takes them: ``.onnx`` and ``.xml`` files of ``detic export``.

Shapes: C classes, D embedding width, P prompts of all classes.
"""

import hashlib
import os
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from detic.compact_masks import paste_in_parts
from detic.detections import Detections
from detic.errors import InputError
from detic.export.metadata import metadata_from_json
from detic.serving.served_detector import VERSION_DIGITS
from detic.vocabulary import EmbeddedVocabulary, Vocabulary
from detic.vocabulary.embedding import class_prompts, merge_prompts
from detic.vocabulary.prompts import fill_template
from detic.vocabulary.vocabulary_reader import VocabularyLike, read_classes

try:
    from detic_lite import InputError as LiteError
    from detic_lite.detector import Classes, detect
    from detic_lite.embedding_file import read_embeddings
    from detic_lite.masks import paste_masks
    from detic_lite.metadata import parse_metadata
    from detic_lite.runtimes import open_graph
    from detic_lite.text_encoder import TextEncoder
except ImportError as error:
    raise InputError(
        "exported detectors are run by the package detic-lite; install it with "
        "`pip install './lite[onnxruntime]'` in a copy of the project"
    ) from error

_NEVER = 2.0  # a threshold that no score exceeds


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A vocabulary as the graph takes it."""

    names: np.ndarray  # (C,) str
    parents: np.ndarray | None  # (C,) str, "" of classes without; None: no class has one
    embeddings: np.ndarray  # (C, D) float32
    own_thresholds: np.ndarray  # (C,) float32; NaN: the common one

    def with_threshold(self, threshold: float) -> Classes:
        own = self.own_thresholds
        thresholds = np.where(np.isnan(own), np.float32(threshold), own)
        return Classes(self.names, self.embeddings, thresholds, {})


class ExportedDetector:
    """A file of ``detic export`` as the service takes it.

    The graph takes one image at a time, so a batch gains nothing.

    Args:
        path: of the file. Names need the text encoder that `detic export --text-encoder` writes
            beside it.
        vocabulary: what it looks for unless told otherwise: a list of names, the name of a built-in
            class list, a vocabulary file, or a ``.safetensors`` file of embeddings.
        threshold: lowest score reported unless told otherwise.

    Raises:
        InputError: one of these cannot be read, or does not fit the others.
    """

    def __init__(self, path: Path, vocabulary: VocabularyLike, threshold: float):
        self.name = path.name
        self.threshold = threshold
        self._path = path
        with _as_our_errors():
            self._graph = open_graph(path, torch.get_num_threads())
            self._metadata = parse_metadata(self._graph.metadata, path)
            self.classes = self._read(vocabulary)
        about = metadata_from_json(self._graph.metadata, path)
        self._is_one_class_per_box = about.one_class_per_box
        self.version = _version(path)

    def prepare(self, classes: Vocabulary) -> _Prepared:
        entries = classes.entries
        if any(entry.examples for entry in entries):
            raise InputError(
                f"{self.name} is an exported detector, which is not fitted to examples; fit them with "
                "`detic vocabulary tune`, and name its file of embeddings at the start of the service"
            )
        if any(entry.negative for entry in entries) and not self._is_one_class_per_box:
            raise InputError(
                f"{self.name} reports several classes of an object, so none can be negative; export it "
                "without --all-classes"
            )
        own = [np.nan if e.score_threshold is None else e.score_threshold for e in entries]
        never = np.array([entry.negative for entry in entries])
        parents = [entry.parent or "" for entry in entries]
        return _Prepared(
            names=np.array(classes.names),
            parents=np.array(parents) if any(parents) else None,
            embeddings=self._embedded(classes),
            own_thresholds=np.where(never, _NEVER, own).astype(np.float32),
        )

    def batch_key(self, image_size_hw: tuple[int, int]) -> Hashable:
        return None

    def detect(
        self, images: Sequence[np.ndarray], vocabulary: _Prepared, *, threshold: float, masks: bool
    ) -> list[Detections]:
        classes = vocabulary.with_threshold(threshold)
        paste = partial(paste_in_parts, paste_masks)
        with _as_our_errors():
            found = [detect(self._graph, self._metadata, i, classes, masks, paste) for i in images]
        parents = vocabulary.parents
        return [
            Detections(
                boxes_xyxy=one.boxes_xyxy,
                scores=one.scores,
                labels=one.labels,
                names=one.names,
                image_size_hw=one.image_size_hw,
                parents=None if parents is None else parents[one.labels],
                masks=one.masks,
            )
            for one in found
        ]

    @cached_property
    def _text_encoder(self) -> TextEncoder:
        return TextEncoder(self._path, self._metadata, torch.get_num_threads())

    def _read(self, vocabulary: VocabularyLike) -> Vocabulary:
        if isinstance(vocabulary, str | os.PathLike) and Path(vocabulary).suffix == ".safetensors":
            names, embeddings = read_embeddings(Path(vocabulary), self._metadata)
            return Vocabulary.from_names(names).with_embeddings(torch.from_numpy(embeddings))
        return read_classes(vocabulary)

    def _embedded(self, classes: Vocabulary) -> np.ndarray:
        """Return the embeddings of classes (C, D) float32, as the detector itself would make them."""
        if isinstance(classes, EmbeddedVocabulary):
            return classes.embeddings.numpy()
        prompts = [class_prompts(entry, (self._metadata.prompt,)) for entry in classes.entries]
        texts = [fill_template(*prompt) for prompt in chain.from_iterable(prompts)]
        with _as_our_errors():
            features = self._text_encoder(texts)  # (P, D)
        return merge_prompts(torch.from_numpy(features), list(map(len, prompts))).numpy()


@contextmanager
def _as_our_errors() -> Iterator[None]:
    """Raise the mistakes that detic_lite finds as those that the service tells."""
    try:
        yield
    except LiteError as error:
        raise InputError(str(error)) from error


def _version(path: Path) -> str:
    """Return the first digits of a digest of a file and, of OpenVINO's, its weights."""
    digest = hashlib.sha256()
    for part in (path, path.with_suffix(".bin")) if path.suffix == ".xml" else (path,):
        digest.update(part.read_bytes())
    return digest.hexdigest()[:VERSION_DIGITS]
