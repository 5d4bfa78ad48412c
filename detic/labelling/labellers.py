"""What labels images: a detector, or whatever a function of the user's returns.

A labeller is described by plain values, which the manifest of a job keeps, and is built from them in
each worker.
"""

import os
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from detic.demo.arguments import chosen_categories, chosen_model, chosen_vocabulary
from detic.demo.run import build_detector
from detic.detections import Detections
from detic.errors import InputError
from detic.extensions import import_extensions, request_imports
from detic.image_sources import ImageSource
from detic.labelling.job import LabellerDescription
from detic.labelling.read_ahead import read_ahead
from detic.labelling.shards import Failure
from detic.outputs import Category
from detic.predictor import Detector, Tiles
from detic.predictor.batches import OutOfMemory, batches
from detic.recipes import load_recipe
from detic.vocabulary import EmbeddedVocabulary, Vocabulary
from detic.vocabulary.embedding_file import READERS as EMBEDDING_FILES
from detic.vocabulary.embedding_file import read_table
from detic.vocabulary.encoder_identity import local_fingerprint
from detic.vocabulary.vocabulary_reader import VocabularyLike, read_classes

Labelled = tuple[str, Detections | Failure]  # the name of an image, and what was found in it
_READERS = 2  # threads that read images while others are detected in


class Labeller(Protocol):
    """What labels images."""

    def __call__(self, images: Iterable[ImageSource | Failure]) -> Iterator[Labelled]:
        """Yield each image's name with what was found in it, in order."""


def describe_detector(arguments: Namespace) -> LabellerDescription:
    """Return the labeller that is the detector of a command line; nothing is built yet.

    Args:
        arguments: those that ``detic detect`` has for the detector and the vocabulary, with ``masks``
            and ``max_detections``.

    Raises:
        InputError: they name what does not exist.
    """
    request_imports(arguments.imports)
    import_extensions()
    vocabulary = chosen_vocabulary(arguments)
    model = chosen_model(arguments)
    recipe = load_recipe(model.recipe, arguments.opts)
    text_weights = model.text_weights or recipe.MODEL.TEXT_ENCODER.WEIGHTS
    classes = _classes(vocabulary)
    recipe.MODEL.DEVICE = recipe.MODEL.WEIGHTS = ""  # their values change no label by themselves
    settings = {
        "weights": _file_digest(model.weights),
        "recipe": _digest(recipe.dump()),
        "vocabulary": _digest(repr(classes.entries), _vectors(classes), *_examples(classes)),
        "text encoder": local_fingerprint(text_weights) or str(text_weights),
        "options": ", ".join(f"{name} {getattr(arguments, name)}" for name in _OPTIONS),
    }
    values = {name: getattr(arguments, name) for name in _ARGUMENTS}
    return LabellerDescription(values, settings, chosen_categories(vocabulary, classes))


_OPTIONS = (
    *("confidence_threshold", "pred_all_class", "masks", "max_detections", "tiles"),
    *("precision", "half", "compile", "batch_size"),
)
_ARGUMENTS = (
    *_OPTIONS,
    *("model", "config_file", "opts", "imports", "device", "cpu", "expand_parents"),
    *("vocabulary", "custom_vocabulary", "vocabulary_file"),
)


def _classes(vocabulary: VocabularyLike) -> Vocabulary:
    """Return the classes that a vocabulary has; their vectors only where a file holds them."""
    if not isinstance(vocabulary, str | os.PathLike) or (
        Path(vocabulary).suffix not in EMBEDDING_FILES
    ):
        return read_classes(vocabulary)
    table = read_table(Path(vocabulary))
    if table.names is None:
        raise InputError(f"{vocabulary} holds embeddings without names; name a .safetensors file")
    return Vocabulary.from_names(table.names).with_embeddings(table.embeddings)


def _vectors(classes: Vocabulary) -> bytes:
    return classes.embeddings.numpy().tobytes() if isinstance(classes, EmbeddedVocabulary) else b""


def _examples(classes: Vocabulary) -> list[str]:
    """Return hashes of the images that classes are shown by."""
    paths = dict.fromkeys(e.image for entry in classes.entries for e in entry.examples)
    return [_file_digest(path) for path in paths]


def _digest(*contents: str | bytes) -> str:
    digest = sha256()
    for content in contents:
        digest.update(content.encode() if isinstance(content, str) else content)
    return digest.hexdigest()[:16]


def _file_digest(path: str | os.PathLike) -> str:
    """Return a hash of a file's content; the path itself if there is no file, which building tells."""
    digest = sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError:
        return os.fspath(path)
    return digest.hexdigest()[:16]


FACTORY = "factory"


def describe_factory(name: str) -> LabellerDescription:
    """Return the labeller that a function of the user's makes.

    Args:
        name: ``module:function``. The function takes nothing and returns a labeller with an attribute
            ``class_names``; equal names stand for equal labels.

    Raises:
        InputError: there is no such function.
    """
    return _description_of_made(name, _made_by(name))


def _description_of_made(name: str, labeller: Any) -> LabellerDescription:
    names = list(labeller.class_names)
    categories = [Category(id, str(class_name)) for id, class_name in enumerate(names, start=1)]
    settings = {"labeller": name, "vocabulary": _digest(repr(names))}
    return LabellerDescription({FACTORY: name}, settings, categories)


def build_labeller(
    values: Mapping[str, Any],
    device: str | None = None,
    check: Callable[[Mapping[str, str]], object] = lambda settings: None,
) -> Labeller:
    """Return the labeller that was described.

    Args:
        values: of the description.
        device: where it computes; None: as the description says.
        check: is told of the settings that it has today, before a detector is built.

    Raises:
        InputError: what it is built from is gone.
    """
    if FACTORY in values:
        labeller = _made_by(values[FACTORY])
        check(_description_of_made(values[FACTORY], labeller).settings)
        return labeller
    arguments = Namespace(**values)
    check(describe_detector(arguments).settings)
    vocabulary = chosen_vocabulary(arguments)
    detector = build_detector(arguments, vocabulary, device=device, masks=arguments.masks)
    return DetectorLabeller(detector, arguments)


def _made_by(name: str) -> Any:
    module_name, _, function_name = name.partition(":")
    try:
        function: Callable[[], Any] = getattr(import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"--labeller names {name!r}, and Python finds no such function ({error}); write "
            "module:function, and put the folder that holds the module into PYTHONPATH"
        ) from error
    return function()


class DetectorLabeller:
    """A detector that notes what it cannot read and goes on.

    Args:
        detector: that finds the objects; its masks are compact from now on.
        options: ``batch_size``, ``tiles`` and ``max_detections`` of its calls.
    """

    def __init__(self, detector: Detector, options: Namespace):
        self._detector = detector
        detector.compact_masks = True  # those of a huge image would take gigabytes
        self._batch_size = options.batch_size
        tiles = options.tiles
        self._options = {
            "max_detections": options.max_detections,
            "tiles": None if tiles is None else Tiles(tiles or None, batch_size=self._batch_size),
        }

    def __call__(self, images: Iterable[ImageSource | Failure]) -> Iterator[Labelled]:
        with ThreadPoolExecutor(_READERS) as pool:
            read = read_ahead(pool, _read, images, depth=2 * self._batch_size + _READERS)
            for batch in batches(read, self._batch_size):
                yield from self._labelled(batch)

    def _labelled(self, batch: Sequence[tuple[str, np.ndarray | Failure]]) -> Iterator[Labelled]:
        arrays = [image for _, image in batch if not isinstance(image, Failure)]
        found = self._found(arrays)
        for name, image in batch:
            result = image if isinstance(image, Failure) else next(found)
            yield name, Failure(name, result) if isinstance(result, str) else result

    def _found(self, arrays: list[np.ndarray]) -> Iterator[Detections | str]:
        """Yield what is found in each image, or why nothing can be."""
        try:
            yield from self._detector(arrays, batch_size=self._batch_size, **self._options)
        except OutOfMemory as error:
            if len(arrays) > 1:
                for array in arrays:
                    yield from self._found([array])
            else:
                yield str(error)


def _read(image: ImageSource | Failure) -> tuple[str, np.ndarray | Failure]:
    if isinstance(image, Failure):
        return image.name, image
    try:
        return image.name, image.read()
    except InputError as error:
        return image.name, Failure(image.name, str(error))
