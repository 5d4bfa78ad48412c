"""The detector as a function from images to detections.

Shapes: H x W image.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, overload

import numpy as np
import torch
from detectron2.config import CfgNode

from detic.checkpoint import load_weights
from detic.detections import Detections
from detic.devices import choose_device
from detic.errors import InputError, shown
from detic.files import is_file
from detic.image_sources import ImageLike, image_source, several_images
from detic.modeling import build_detector
from detic.modeling.blank_weights import zero_parameters
from detic.modeling.build import DetectionModel
from detic.modeling.compilation import compile_for_inference
from detic.modeling.precision import choose_precision
from detic.modeling.request import DetectionRequest
from detic.paths import find_file
from detic.predictor.batches import OutOfMemory
from detic.predictor.forks import compute_alone_after_forks
from detic.predictor.inference_config import (
    DetectionParams,
    check_score_threshold,
    inference_config,
)
from detic.predictor.input_format import InputFormat
from detic.predictor.look import Look
from detic.predictor.prepared_vocabulary import PreparedVocabulary, check_fit, prepare
from detic.predictor.region_reader import RegionReader
from detic.predictor.tiles import Tiles, chosen_tiles
from detic.predictor.tracking import tracker_maker
from detic.predictor.video import FrameResult, detect_in_video
from detic.recipes import load_recipe
from detic.released_models import find_model
from detic.saved_detector import write_detector
from detic.tuning import ExampleImage, FitParams, examples_of_classes, tune, without_examples
from detic.vocabulary import EmbeddedVocabulary, write_embeddings
from detic.vocabulary.vocabulary_reader import VocabularyLike, VocabularyReader

__all__ = ["Detector", "OutOfMemory"]

Several = list[Any] | tuple[Any, ...] | Iterator[Any]  # images
BATCH_SIZE = 8  # images of a list


class Detector:
    """Detector of the objects of a vocabulary in images.

    Threads may share a detector: each call uses the vocabulary that is set when it starts. What a call
    names itself counts for it alone. A pickle of a detector of ``from_config`` or ``from_pretrained``
    holds what it was built from, and its vocabulary: the weights are read again where it is loaded. On
    the CPU, forked processes can use a detector too, and compute in one thread each.

    >>> detector = Detector.from_pretrained("shapes-detic", ["green gear", "yellow mug"], device="cpu")
    >>> detections = detector("docs/pictures/scene.png")
    >>> sorted(detections.names.tolist())
    ['green gear', 'yellow mug']
    >>> detections.boxes_xyxy.shape, detections.masks.shape
    ((2, 4), (2, 128, 128))
    >>> detector.set_vocabulary(["red star"])
    >>> [f"{d.names[0]} {len(d)}" for d in detector(["docs/pictures/scene.png"])]
    ['red star 1']

    Args:
        model: in evaluation mode, with a zero-shot classifier.
        input_format: of the images it was trained on.
        vocabulary_reader: embeds class names.
        vocabulary: see ``set_vocabulary``.
        score_threshold: of classes without one of their own.
        masks: report masks; without them an image of many objects takes a third of the time.
        precision: that the model computes in, a key of ``detic.modeling.precision.PRECISIONS``.
        compile: have backbone and heads compiled, which the first image waits for.
        recipe: the configuration that the model was built by, which ``save_pretrained`` writes.
    """

    def __init__(
        self,
        model: DetectionModel,
        input_format: InputFormat,
        vocabulary_reader: VocabularyReader,
        vocabulary: VocabularyLike,
        *,
        score_threshold: float,
        masks: bool = True,
        precision: str = "fp32",
        compile: bool = False,
        recipe: CfgNode | None = None,
    ):
        compute_alone_after_forks()
        check_score_threshold(score_threshold)
        self.model = model
        self.input_format = input_format
        self.vocabulary_reader = vocabulary_reader
        self.masks = masks
        self.compact_masks = False  # report masks that take much memory as CompactMasks
        self.recipe = recipe
        self.precision = choose_precision(precision, model.device)
        if compile:
            compile_for_inference(model)
        self._precision_name = precision
        self._score_threshold = score_threshold
        self._prepared = prepare(self.embed(vocabulary), model.classifier)
        self._build: Callable[..., Detector] | None = None  # the same from its files

    def __reduce__(self) -> tuple[Callable[[], "Detector"], tuple[()]]:
        if self._build is None:
            raise InputError(
                "this detector was made of a model in memory, which no pickle holds; save it by "
                "save_pretrained, and load it where it is needed by Detector.from_pretrained"
            )
        changed = {"device": str(self.device), "masks": self.masks}
        changed["score_threshold"] = self.score_threshold
        return partial(self._build, vocabulary=self.vocabulary, **changed), ()

    @classmethod
    def from_config(
        cls,
        config_file: str | os.PathLike,
        weights: str | os.PathLike,
        vocabulary: VocabularyLike,
        *,
        device: str | None = None,
        score_threshold: float = 0.5,
        one_class_per_proposal: bool = True,
        masks: bool = True,
        precision: str | None = None,
        half: bool = False,
        compile: bool = False,
        overrides: Sequence[str] = (),
        text_weights: str | os.PathLike | None = None,
    ) -> "Detector":
        """Return the detector of a recipe.

        Args:
            config_file: YAML recipe, such as those in ``configs/``.
            weights: file or address of the weights that were trained by it.
            vocabulary: what to find, see ``set_vocabulary``.
            device: such as ``cpu`` or ``cuda:1``; by default the GPU if there is one.
            score_threshold: lowest score reported, 0 to 1.
            one_class_per_proposal: report an object once, as its most likely class.
            masks: report masks, where the model knows them.
            precision: fp32; bf16, which is faster and changes scores a little, on CPUs and GPUs that
                multiply in bfloat16; fp16; by default the recipe's MODEL.INFERENCE_PRECISION.
            half: the same as precision fp16: the backbone in half precision; needs a GPU.
            compile: have torch compile backbone and heads; the first image waits minutes for it.
            overrides: configuration keys and values in turn.
            text_weights: the text encoder, ``openai``, a file or a model of open_clip; by default the recipe's.

        Raises:
            InputError: one of these does not exist or does not fit the others.
        """
        params = DetectionParams(score_threshold, one_class_per_proposal)
        recipe = load_recipe(config_file, overrides)
        named_device = recipe.MODEL.DEVICE if "MODEL.DEVICE" in overrides[::2] else None
        chosen_device = choose_device(device or named_device)
        precision = _precision_name(precision, half) or recipe.MODEL.INFERENCE_PRECISION
        choose_precision(precision, chosen_device)  # a wrong one shows before weights are read
        cfg = inference_config(recipe, params, chosen_device)
        reader = VocabularyReader(
            text_weights or cfg.MODEL.TEXT_ENCODER.WEIGHTS,
            cfg.MODEL.TEXT_ENCODER.PROMPT,
            cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_DIM,
        )
        embedded = reader.read(vocabulary)  # a wrong name shows before the weights are read
        model = build_detector(cfg, blank=True).eval()
        report = load_weights(model, weights)
        zero_parameters(model, but=report.matched)  # no detection needs them
        detector = cls(
            model,
            InputFormat.from_config(cfg),
            reader,
            embedded,
            score_threshold=params.score_threshold,
            masks=masks,
            precision=precision,
            compile=compile,
            recipe=recipe,
        )
        detector._build = partial(
            cls.from_config,
            _from_anywhere(config_file),
            _from_anywhere(weights),
            one_class_per_proposal=one_class_per_proposal,
            precision=precision,
            compile=compile,
            overrides=tuple(overrides),
            text_weights=text_weights and _from_anywhere(text_weights),
        )
        return detector

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike,
        vocabulary: VocabularyLike | None = None,
        *,
        device: str | None = None,
        score_threshold: float = 0.5,
        one_class_per_proposal: bool = True,
        masks: bool = True,
        precision: str | None = None,
        half: bool = False,
        compile: bool = False,
        overrides: Sequence[str] = (),
        text_weights: str | os.PathLike | None = None,
    ) -> "Detector":
        """Return a released or a saved detector; what is not on this machine is fetched.

        Args:
            name: of a released model, short (``detic-r50``) or in full; a folder that
                ``save_pretrained`` wrote; or one on the Hugging Face hub, ``hf://organisation/name``.
            vocabulary: what to find, see ``set_vocabulary``; by default what a saved detector was
                saved with, and for others the classes of LVIS.
            device: and what follows, as of ``from_config``.
            text_weights: as of ``from_config``; by default the detector's own.

        Raises:
            InputError: there is no such detector, or it cannot be fetched.
        """
        model = find_model(name)
        return cls.from_config(
            model.recipe,
            model.find_weights(),
            model.vocabulary if vocabulary is None else vocabulary,
            device=device,
            score_threshold=score_threshold,
            one_class_per_proposal=one_class_per_proposal,
            masks=masks,
            precision=precision,
            half=half,
            compile=compile,
            overrides=overrides,
            text_weights=text_weights or model.text_weights,
        )

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Write a folder that ``from_pretrained`` reads, as it can be uploaded to the Hugging Face hub.

        Args:
            folder: is made; nothing may be there.

        Raises:
            InputError: it cannot be written, or the detector was made without a recipe.
        """
        if self.recipe is None:
            raise InputError(
                "this detector was made without a recipe; save one of from_config or from_pretrained"
            )
        reader = self.vocabulary_reader
        weights = self.model.state_dict()
        write_detector(folder, self.recipe, weights, self.vocabulary, reader.text_weights)

    @property
    def device(self) -> torch.device:
        """Where the detector computes."""
        return self.model.device

    def to(self, device: str | torch.device) -> "Detector":
        """Move the detector to a device, such as cpu, cuda:1 or mps; return it. No call may be running.

        Raises:
            InputError: the device is not there, or cannot compute in the detector's precision.
        """
        chosen = choose_device(str(device))
        self.precision = choose_precision(self._precision_name, chosen)
        self.model.to(chosen)
        self._prepared = prepare(self.vocabulary, self.model.classifier)
        return self

    @property
    def vocabulary(self) -> EmbeddedVocabulary:
        """What is looked for at the moment."""
        return self._prepared.vocabulary

    @property
    def score_threshold(self) -> float:
        """Lowest score reported, 0 to 1; counts for the next call when it is assigned."""
        return self._score_threshold

    @score_threshold.setter
    def score_threshold(self, threshold: float) -> None:
        check_score_threshold(threshold)
        self._score_threshold = threshold

    @property
    def lowest_score(self) -> float:
        """Lowest score that is reported of any class, as some have thresholds of their own."""
        return self._prepared.lowest_score(self._score_threshold)

    def set_vocabulary(self, vocabulary: VocabularyLike | PreparedVocabulary) -> None:
        """Look for the classes of ``vocabulary`` from now on.

        Detections that are being computed finish with the classes they started with.

        Args:
            vocabulary: a list of class names; the name of a built-in class list (lvis, coco,
                objects365, openimages, imagenet21k); the path of a vocabulary file; or a
                Vocabulary, whose classes may have synonyms, prompts, score thresholds, and may be
                negative: those compete for objects but are never reported. With
                ``detic.vocabulary.expand_parents`` it looks for all kinds of its classes.

        Raises:
            InputError: as ``VocabularyReader.read`` does.
        """
        self._prepared = self.prepare_vocabulary(vocabulary)

    def prepare_vocabulary(
        self, vocabulary: VocabularyLike | PreparedVocabulary
    ) -> PreparedVocabulary:
        """Return a vocabulary that calls take at once, ``detector(image, vocabulary=prepared)``.

        Any number of threads may use it. The detector goes on looking for what it looks for.

        Args:
            vocabulary: as of ``set_vocabulary``.

        Raises:
            InputError: as ``VocabularyReader.read`` does, or it was prepared for another detector.
        """
        if isinstance(vocabulary, PreparedVocabulary):
            check_fit(vocabulary, self.model.classifier)
            return vocabulary
        return prepare(self.embed(vocabulary), self.model.classifier)

    def embed(self, vocabulary: VocabularyLike) -> EmbeddedVocabulary:
        """Return a vocabulary with embeddings, as ``set_vocabulary`` takes without delay.

        Classes with examples are fitted to them.
        """
        embedded = self.vocabulary_reader.read(vocabulary)
        examples = examples_of_classes(embedded)
        if not examples:
            return embedded
        return self.tune_vocabulary(examples, without_examples(embedded))

    def tune_vocabulary(
        self,
        examples: Sequence[ExampleImage],
        vocabulary: VocabularyLike | None = None,
        *,
        classes: Sequence[str] | None = None,
        params: FitParams | None = None,
    ) -> EmbeddedVocabulary:
        """Return a vocabulary whose classes with examples have new vectors; the others are the same.

        The weights stay as they are, so nothing else is forgotten. What the detector computes of an
        image is remembered in ``$DETIC_CACHE``.

        Args:
            examples: see ``detic.tuning``, whose ``boxed_examples`` and ``labelled_examples`` read them.
            vocabulary: what to start from; by default that of the detector.
            classes: names of the classes to tune; by default all with examples.
            params: how much names and examples weigh.

        Raises:
            InputError: an example is of no class or has no region, or the detector has no regions.
        """
        start = self.vocabulary if vocabulary is None else self.embed(vocabulary)
        describe = RegionReader(self.model, self.input_format, self.precision, self.recipe)
        classifiers = describe.model.roi_heads.stage_classifiers
        return tune(start, examples, describe, classifiers, classes=classes, params=params)

    def write_vocabulary(
        self, path: str | os.PathLike, vocabulary: EmbeddedVocabulary | None = None
    ) -> None:
        """Write the names and vectors of a vocabulary, as any detector of the same text encoder reads them.

        Args:
            path: a ``.safetensors`` file.
            vocabulary: by default that of the detector.

        Raises:
            InputError: it cannot be written.
        """
        write_embeddings(path, self.vocabulary_reader.as_table(vocabulary or self.vocabulary))

    @overload
    def __call__(
        self,
        images: ImageLike,
        *,
        threshold: float | None = None,
        vocabulary: VocabularyLike | PreparedVocabulary | None = None,
        masks: bool | None = None,
        max_detections: int | None = None,
        features: bool = False,
        all_scores: bool = False,
        channels: str | None = None,
        tiles: bool | int | Tiles | None = None,
        batch_size: int | None = None,
        stream: Literal[False] = False,
    ) -> Detections: ...

    @overload
    def __call__(
        self,
        images: Several,
        *,
        threshold: float | None = None,
        vocabulary: VocabularyLike | PreparedVocabulary | None = None,
        masks: bool | None = None,
        max_detections: int | None = None,
        features: bool = False,
        all_scores: bool = False,
        channels: str | None = None,
        tiles: bool | int | Tiles | None = None,
        batch_size: int | None = None,
        stream: Literal[False] = False,
    ) -> list[Detections]: ...

    @overload
    def __call__(
        self,
        images: ImageLike | Several,
        *,
        threshold: float | None = None,
        vocabulary: VocabularyLike | PreparedVocabulary | None = None,
        masks: bool | None = None,
        max_detections: int | None = None,
        features: bool = False,
        all_scores: bool = False,
        channels: str | None = None,
        tiles: bool | int | Tiles | None = None,
        batch_size: int | None = None,
        stream: Literal[True],
    ) -> Iterator[Detections]: ...

    def __call__(
        self,
        images: ImageLike | Several,
        *,
        threshold: float | None = None,
        vocabulary: VocabularyLike | PreparedVocabulary | None = None,
        masks: bool | None = None,
        max_detections: int | None = None,
        features: bool = False,
        all_scores: bool = False,
        channels: str | None = None,
        tiles: bool | int | Tiles | None = None,
        batch_size: int | None = None,
        stream: bool = False,
    ) -> Detections | list[Detections] | Iterator[Detections]:
        """Return the detections of an image, or a list with those of each of several images.

        What is found in an image does not depend on the others, up to the rounding of sums.

        Args:
            images: a path; an address, http(s) or what fsspec opens (s3://, gs://); the content of a
                file; a Pillow image; an array (H, W, 3) uint8 in BGR order as OpenCV reads it, or a grey
                one, one with transparency, one of floats from 0 to 1; a tensor (C, H, W). Several are a
                list or a generator of these, a folder, or a pattern such as ``photos/*.jpg``.
            threshold: lowest score reported, 0 to 1, of classes without one of their own; None: the
                detector's.
            vocabulary: what to look for, as of ``set_vocabulary`` or from ``prepare_vocabulary``, which
                takes no time here; None: the detector's.
            masks: report masks, or not; None: as the detector was made to.
            max_detections: the most that an image may have, the best; None: the recipe's.
            features: also return the objects' embeddings in the space of the texts.
            all_scores: also return the objects' scores for every class.
            channels: of arrays and tensors, BGR or RGB; None: BGR of arrays, RGB of tensors.
            tiles: cut images that are larger into overlapping tiles of this side in pixels; True: of
                the side of the images that the model was trained on. Small objects of large images are
                found so. Masks of huge images are ``CompactMasks``.
            batch_size: images that are read and computed together, if their sizes suit each other;
                None: 8, or 1 with ``stream``.
            stream: return a generator, which reads images as its results are asked for. It keeps none.

        Raises:
            InputError: an image cannot be read, an argument has another value, or OutOfMemory.
        """
        prepared = self._prepared if vocabulary is None else self.prepare_vocabulary(vocabulary)
        threshold = self._score_threshold if threshold is None else threshold
        check_score_threshold(threshold)
        request = DetectionRequest(
            classes=prepared.requested(threshold, self.device),
            max_detections=_at_least_one(max_detections, "max_detections"),
            masks=self.masks if masks is None else masks,
            pasted_masks=not self.compact_masks,
            region_embeddings=features,
            class_scores=all_scores,
            precision=self.precision,
        )
        look = Look(self.model, self.input_format, request, prepared)
        several = several_images(images)
        size = _at_least_one(batch_size, "batch_size") or (1 if stream else BATCH_SIZE)
        given: Iterable[Any] = [images] if several is None else several
        sources = (image_source(image, channels) for image in given)
        tiling = chosen_tiles(tiles, self.input_format.training_side_px)
        found = look.at(sources, size) if tiling is None else look.in_tiles(sources, tiling)
        if stream:
            return found
        return next(found) if several is None else list(found)

    def video(
        self,
        source: str | os.PathLike | int,
        *,
        track: bool | str = False,
        threshold: float | None = None,
        vocabulary: VocabularyLike | PreparedVocabulary | None = None,
        masks: bool | None = None,
        max_detections: int | None = None,
        features: bool = False,
        all_scores: bool = False,
        tiles: bool | int | Tiles | None = None,
        batch_size: int = 1,
        reconnect_s: float = 60.0,
    ) -> Iterator[FrameResult]:
        """Yield the frames of a video with their times and what is found in them.

        Frames are read as they are asked for, and no more than ``batch_size`` are held. The same
        reader serves ``detic detect``. What is not named here is as of a call of the detector.

        Args:
            source: a path, an address such as ``rtsp://camera/1``, or the number of a camera.
            track: give the objects ids that they keep from frame to frame, by ``bytetrack`` (the
                same as True) or ``botsort``, which makes up for motion of the camera.
            batch_size: frames that go through the network at once.
            reconnect_s: how long a stream that sends nothing more is asked again.

        Raises:
            InputError: there is no such tracker, its package is missing, or the video cannot be read;
                that shows when the first frame is asked for.
        """
        make_tracker = tracker_maker(track)
        prepared = self._prepared if vocabulary is None else self.prepare_vocabulary(vocabulary)
        lowest = prepared.lowest_score(self._score_threshold if threshold is None else threshold)
        detect = partial(
            self._several,
            threshold=threshold,
            vocabulary=prepared,
            masks=masks,
            max_detections=max_detections,
            features=features,
            all_scores=all_scores,
            tiles=tiles,
            batch_size=batch_size,
        )
        return detect_in_video(
            detect,
            source,
            make_tracker=make_tracker and partial(make_tracker, lowest),
            batch_size=batch_size,
            reconnect_s=reconnect_s,
        )

    def _several(self, frames: list[np.ndarray], **options: Any) -> list[Detections]:
        return self(frames, **options)


def _at_least_one(number: int | None, name: str) -> int | None:
    """Return a number of things, None if there is none.

    Raises:
        InputError: it is no whole number, or below 1.
    """
    if number is not None and (not isinstance(number, int) or number < 1):
        raise InputError(f"{name} is {shown(number)}; choose a whole number from 1")
    return number


def _from_anywhere(path: str | os.PathLike) -> str:
    """Return a path that leads to the same from another working directory, if there is a file now."""
    found = find_file(path)
    return str(found.absolute()) if is_file(found) else os.fspath(path)


def _precision_name(precision: str | None, half: bool) -> str | None:
    """Return the name of a precision, which ``half`` names too; None: none is named.

    Raises:
        InputError: they name different ones.
    """
    if half and precision not in (None, "fp16"):
        raise InputError(
            f"half is precision fp16, but precision is {precision!r}; name one of them"
        )
    return "fp16" if half else precision
