"""An exported detector as a function from images to detections.

Shapes: C classes, D embedding width, N detections, H x W image.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np

from detic_lite.detections import Detections
from detic_lite.embedding_file import read_embeddings
from detic_lite.errors import InputError
from detic_lite.images import ImageLike, load_image, network_input
from detic_lite.masks import paste_masks
from detic_lite.metadata import ModelMetadata, parse_metadata
from detic_lite.runtimes import Graph, open_graph
from detic_lite.text_encoder import TextEncoder
from detic_lite.vocabulary import ClassEntry, check_names, merge_texts, read_vocabulary

VocabularyLike = str | os.PathLike | Sequence[str]
_UNREACHABLE = 2.0  # score of what is never reported


class Classes(NamedTuple):
    """What is looked for."""

    names: np.ndarray  # (C,) str
    embeddings: np.ndarray  # (C, D) float32
    thresholds: np.ndarray  # (C,) float32
    colors: Mapping[str, tuple[int, int, int]]  # RGB of drawings, of classes that have their own


class LiteDetector:
    """Detector of the objects of a vocabulary in images, from a file of `detic export`.

    Threads may share it: each call uses the vocabulary that is set when it starts.

    Args:
        model: ``.onnx``, or the ``.xml`` of OpenVINO.
        vocabulary: see ``set_vocabulary``.
        score_threshold: that detections have to exceed, 0 to 1; None: the file's own.
        num_threads: of an image; None: as many as the program that runs the file takes.

    Raises:
        InputError: one of these does not exist or does not fit the others, or a package is missing.
    """

    def __init__(
        self,
        model: str | os.PathLike,
        vocabulary: VocabularyLike,
        *,
        score_threshold: float | None = None,
        num_threads: int | None = None,
    ):
        self.path = Path(model)
        self._num_threads = num_threads
        self._graph = open_graph(self.path, num_threads)
        self.metadata = parse_metadata(self._graph.metadata, self.path)
        self.score_threshold = (
            self.metadata.default_threshold if score_threshold is None else score_threshold
        )
        if not 0 <= self.score_threshold <= 1:
            raise InputError(f"the score threshold is {self.score_threshold}; expected 0 to 1")
        self.set_vocabulary(vocabulary)

    @property
    def names(self) -> tuple[str, ...]:
        """The classes that are looked for, by label."""
        return tuple(self._classes.names.tolist())

    @cached_property
    def text_encoder(self) -> TextEncoder:
        """What embeds class names, opened when the first name has to be embedded."""
        return TextEncoder(self.path, self.metadata, self._num_threads)

    def set_vocabulary(self, vocabulary: VocabularyLike) -> None:
        """Look for the classes of a vocabulary from now on.

        Args:
            vocabulary: a list of class names; a ``.txt``, ``.json`` or ``.yaml`` file of them, as
                docs/vocabularies.md describes it; or a ``.safetensors`` file of embeddings, which
                `detic vocabulary embed` writes. Names need the text encoder beside the model, which
                `detic export --text-encoder` writes.

        Raises:
            InputError: there is no such vocabulary, it is malformed, or of another text encoder.
        """
        entries, embeddings = self._read(vocabulary)
        thresholds = [self._threshold(entry) for entry in entries]
        self._classes = Classes(
            np.array([entry.name for entry in entries]),
            embeddings,
            np.array(thresholds, dtype=np.float32),
            {entry.name: entry.color for entry in entries if entry.color is not None},
        )

    def embed(self, names: Sequence[str]) -> np.ndarray:
        """Return the embeddings of class names (C, D) float32, each in the detector's prompt.

        Raises:
            InputError: there is no text encoder beside the model.
        """
        return self._embed(list(map(ClassEntry, check_names(names, "class list"))))

    @overload
    def __call__(self, images: ImageLike, *, masks: bool = True) -> Detections: ...

    @overload
    def __call__(
        self, images: list[ImageLike] | tuple[ImageLike, ...], *, masks: bool = True
    ) -> list[Detections]: ...

    def __call__(
        self, images: ImageLike | list[ImageLike] | tuple[ImageLike, ...], *, masks: bool = True
    ) -> Detections | list[Detections]:
        """Return the detections of an image, or of each image of a list.

        Args:
            images: a path, an image of Pillow's, or an array (H, W, 3) of uint8 in BGR order, as OpenCV
                reads it; or a list of them. Files are turned as their EXIF data say; arrays may also
                be grey (H, W), or have a fourth channel, which is left out.
            masks: report masks, (N, H, W) bool, where the file has them; False is faster.

        Returns:
            Boxes in XYXY, in pixels of the image as it was given, the highest score first.

        Raises:
            InputError: an image cannot be read.
        """
        find = partial(detect, self._graph, self.metadata, classes=self._classes, masks=masks)
        if isinstance(images, list | tuple):
            return [find(image) for image in images]
        return find(images)

    def _read(self, vocabulary: VocabularyLike) -> tuple[list[ClassEntry], np.ndarray]:
        """Return the classes of a vocabulary and their embeddings (C, D)."""
        if not isinstance(vocabulary, str | os.PathLike):
            entries = list(map(ClassEntry, check_names(list(vocabulary), "class list")))
            return entries, self._embed(entries)
        path = Path(vocabulary)
        if path.suffix == ".safetensors":
            names, embeddings = read_embeddings(path, self.metadata)
            return list(map(ClassEntry, names)), embeddings
        entries = read_vocabulary(path)
        return entries, self._embed(entries)

    def _embed(self, entries: Sequence[ClassEntry]) -> np.ndarray:
        texts = [entry.texts(self.metadata.prompt) for entry in entries]
        embeddings = self.text_encoder([text for of_class in texts for text in of_class])
        return merge_texts(embeddings, list(map(len, texts)))

    def _threshold(self, entry: ClassEntry) -> float:
        if entry.negative:
            if not self.metadata.one_class_per_box:
                raise InputError(
                    f"{entry.name} is negative, but {self.path} reports several classes of an object; export "
                    "it without --all-classes"
                )
            return _UNREACHABLE
        return self.score_threshold if entry.score_threshold is None else entry.score_threshold


def detect(
    graph: Graph,
    metadata: ModelMetadata,
    image: ImageLike,
    classes: Classes,
    masks: bool,
    paste: Callable[[np.ndarray, np.ndarray, tuple[int, int]], Any] = paste_masks,
) -> Detections:
    """Return what a graph finds in an image; ``masks`` are reported where it has them.

    Args:
        paste: makes them of probabilities, boxes and the size of the image, as ``paste_masks`` does.

    Raises:
        InputError: the image cannot be read.
    """
    pixels = load_image(image)
    given = network_input(pixels, metadata)
    found = graph.run(
        {
            "image": given.pixels,
            "class_embeddings": classes.embeddings,
            "thresholds": classes.thresholds,
        }
    )
    size_hw = (pixels.height, pixels.width)
    boxes = found["boxes"] * _scale(given.size_hw, size_hw)
    inside = np.clip(boxes, 0, np.array(size_hw[::-1] * 2, dtype=np.float32))
    rows = np.flatnonzero((inside[:, 2:] > inside[:, :2]).all(axis=1))
    labels = found["classes"][rows]
    has_masks = masks and "masks" in found
    return Detections(
        boxes_xyxy=inside[rows],
        scores=found["scores"][rows],
        labels=labels,
        names=classes.names[labels],
        image_size_hw=size_hw,
        masks=paste(found["masks"][rows], boxes[rows], size_hw) if has_masks else None,
        region_embeddings=found["region_embeddings"][rows],
        file_name=Path(image).as_posix() if isinstance(image, str | os.PathLike) else "",
        class_colors=classes.colors,
    )


def _scale(from_hw: tuple[int, int], to_hw: tuple[int, int]) -> np.ndarray:
    """Return what turns boxes (N, 4) of the network's input into boxes of the image.

    Args:
        from_hw: sides of the part of the input that is the image.
        to_hw: sides of the image.
    """
    return np.array([to_hw[1] / from_hw[1], to_hw[0] / from_hw[0]] * 2, dtype=np.float32)
