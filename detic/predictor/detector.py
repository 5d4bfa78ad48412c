"""The detector as a function from images to detections.

Shapes: H x W image.
"""

import os
from collections.abc import Sequence
from typing import Any, overload

from detectron2.config import CfgNode

from detic.checkpoint import load_weights
from detic.detections import Detections, from_instances
from detic.devices import choose_device
from detic.errors import InputError
from detic.memory_errors import is_out_of_memory
from detic.modeling import build_detector
from detic.modeling.blank_weights import zero_parameters
from detic.modeling.build import DetectionModel
from detic.modeling.compilation import compile_for_inference
from detic.modeling.precision import choose_precision
from detic.modeling.request import DetectionRequest
from detic.predictor.forks import compute_alone_after_forks
from detic.predictor.inference_config import DetectionParams, inference_config
from detic.predictor.input_format import ImageLike, InputFormat, load_image
from detic.predictor.prepared_vocabulary import PreparedVocabulary, prepare
from detic.predictor.region_reader import RegionReader
from detic.recipes import load_recipe
from detic.released_models import find_model
from detic.saved_detector import write_detector
from detic.tuning import ExampleImage, FitParams, examples_of_classes, tune, without_examples
from detic.vocabulary import EmbeddedVocabulary, write_embeddings
from detic.vocabulary.vocabulary_reader import VocabularyLike, VocabularyReader


class LackOfMemory(InputError):
    """Images that need more memory than there is.

    Args:
        sizes_hw: of the images that went through the network together, pixels.
    """

    def __init__(self, sizes_hw: Sequence[tuple[int, int]]):
        sizes = ", ".join(f"{width} x {height}" for height, width in sizes_hw)
        super().__init__(
            f"detection in {sizes} pixels needs more memory than there is; make the images smaller, "
            "or give fewer at once"
        )


class Detector:
    """Detector of the objects of a vocabulary in images.

    Threads may share a detector: each call uses the vocabulary that is set when it starts. It can be
    pickled; on the CPU, forked processes can use it too, and compute in one thread each.

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
        self.model = model
        self.input_format = input_format
        self.vocabulary_reader = vocabulary_reader
        self.masks = masks
        self.recipe = recipe
        self.precision = choose_precision(precision, model.device)
        if compile:
            compile_for_inference(model)
        self._prepared = prepare(self.embed(vocabulary), self.model.classifier, score_threshold)

    def __setstate__(self, state: dict[str, Any]) -> None:
        compute_alone_after_forks()
        self.__dict__.update(state)

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
        return cls(
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

    @classmethod
    def from_pretrained(
        cls, name: str | os.PathLike, vocabulary: VocabularyLike | None = None, **options
    ) -> "Detector":
        """Return a released or a saved detector; what is not on this machine is fetched.

        Args:
            name: of a released model, short (``detic-r50``) or in full; a folder that
                ``save_pretrained`` wrote; or one on the Hugging Face hub, ``hf://organisation/name``.
            vocabulary: what to find, see ``set_vocabulary``; by default what a saved detector was
                saved with, and for others the classes of LVIS.
            options: the keyword arguments of ``from_config``.

        Raises:
            InputError: there is no such detector, or it cannot be fetched.
        """
        model = find_model(name)
        options = {"text_weights": model.text_weights} | options
        if vocabulary is None:
            vocabulary = model.vocabulary
        return cls.from_config(model.recipe, model.find_weights(), vocabulary, **options)

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
    def vocabulary(self) -> EmbeddedVocabulary:
        """What is looked for at the moment."""
        return self._prepared.vocabulary

    @property
    def score_threshold(self) -> float:
        """Lowest score reported, 0 to 1; counts for the next call when it is assigned."""
        return self._prepared.score_threshold

    @score_threshold.setter
    def score_threshold(self, threshold: float) -> None:
        self._prepared = prepare(self.vocabulary, self.model.classifier, threshold)

    def set_vocabulary(self, vocabulary: VocabularyLike) -> None:
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
        embedded = self.embed(vocabulary)
        self._prepared = prepare(embedded, self.model.classifier, self.score_threshold)

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
        masks: bool | None = None,
        features: bool = False,
        all_scores: bool = False,
    ) -> Detections: ...

    @overload
    def __call__(
        self,
        images: list[ImageLike] | tuple[ImageLike, ...],
        *,
        masks: bool | None = None,
        features: bool = False,
        all_scores: bool = False,
    ) -> list[Detections]: ...

    def __call__(
        self,
        images: ImageLike | list[ImageLike] | tuple[ImageLike, ...],
        *,
        masks: bool | None = None,
        features: bool = False,
        all_scores: bool = False,
    ) -> Detections | list[Detections]:
        """Return the detections of an image, or of each image of a list, run as one batch.

        Args:
            images: a path or an array (H, W, 3) uint8 in BGR order as OpenCV reads it, or a list
                of them.
            masks: report masks, or not; None: as the detector was made to.
            features: also return the objects' embeddings in the space of the texts.
            all_scores: also return the objects' scores for every class.

        Raises:
            InputError: an image cannot be read, or LackOfMemory.
        """
        prepared = self._prepared  # another thread may replace it from here on
        request = DetectionRequest(
            classes=prepared.requested,
            masks=self.masks if masks is None else masks,
            region_embeddings=features,
            class_scores=all_scores,
            precision=self.precision,
        )
        if isinstance(images, list | tuple):
            return self._detect(images, request, prepared) if images else []
        return self._detect([images], request, prepared)[0]

    def _detect(
        self, images: Sequence[ImageLike], request: DetectionRequest, prepared: PreparedVocabulary
    ) -> list[Detections]:
        arrays = [load_image(image) for image in images]
        try:
            inputs = [self.input_format.model_input(array) for array in arrays]
            return [
                from_instances(output["instances"], prepared.names, prepared.parents)
                for output in self.model.inference(inputs, request)
            ]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise LackOfMemory([array.shape[:2] for array in arrays]) from error


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
