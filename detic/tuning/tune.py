"""Class vectors from examples, on a frozen detector: its weights and all other classes stay.

Shapes: C classes, F fitted classes, R regions of all images, G boxes of an image, D embedding width.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from detic.datasets.image_labels.class_index import ClassIndex
from detic.errors import InputError
from detic.modeling.regions import RegionFeatures
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from detic.progress import track
from detic.tuning.evidence import (
    Evidence,
    evidence_of_boxes,
    evidence_of_label,
    joined,
    weights_of,
)
from detic.tuning.examples import BoxedObject, ExampleImage
from detic.tuning.fit import FitParams, fit_vectors
from detic.vocabulary import EmbeddedVocabulary


class DescribedImage(NamedTuple):
    """An image as a frozen detector sees it."""

    size_hw: tuple[int, int]  # pixels
    regions: RegionFeatures


Describe = Callable[[ExampleImage], DescribedImage]


def tune(
    vocabulary: EmbeddedVocabulary,
    examples: Sequence[ExampleImage],
    describe: Describe,
    classifiers: Sequence[ZeroShotClassifier],
    *,
    classes: Iterable[str] | None = None,
    params: FitParams | None = None,
) -> EmbeddedVocabulary:
    """Return the vocabulary with new vectors of the classes that have examples; the others are the same.

    Args:
        vocabulary: its vectors are where fitting starts from and what it stays near.
        examples: of its classes.
        describe: an image as the detector sees it.
        classifiers: of the detector's stages.
        classes: names of those to fit; examples of the others are negatives. None: all with examples.
        params: weights of evidence and prior.

    Raises:
        InputError: a name is no class, a box is not in its image, or nothing is known of a class.
    """
    if not examples:
        raise InputError("there are no examples; give at least one image of a class")
    index = ClassIndex(vocabulary.names)
    evidence = joined(_evidence(examples, describe, index))
    shown = {index.require(o.name, str(e)) for e in examples for o in e.objects}
    labelled = {index.require(name, str(e)) for e in examples for name in e.labels}
    chosen = sorted(shown | labelled)
    if classes is not None:
        chosen = sorted({index.require(name, "classes to tune") for name in classes})
    _check_found(chosen, evidence.labels, vocabulary, examples)
    fitted = torch.tensor(chosen)
    has_boxes = torch.tensor([c in shown for c in chosen])
    vectors = _fitted(evidence, fitted, has_boxes, vocabulary, classifiers, params or FitParams())
    embeddings = vocabulary.embeddings.clone()
    embeddings[fitted] = vectors
    return EmbeddedVocabulary(vocabulary.entries, embeddings)


def _fitted(
    evidence: Evidence,
    classes: Tensor,
    has_boxes: Tensor,
    vocabulary: EmbeddedVocabulary,
    classifiers: Sequence[ZeroShotClassifier],
    params: FitParams,
) -> Tensor:
    """Return the vectors (F, D) of ``classes`` (F,), as long as they were."""
    named = vocabulary.embeddings[classes]
    device = classifiers[0].zs_weight.device
    prior = classifiers[0].columns(named.to(device)).t().cpu()
    biases = [0.0 if c.cls_bias is None else c.cls_bias.item() for c in classifiers]
    positive, weights = weights_of(evidence, classes, has_boxes, params)
    fitted = fit_vectors(
        evidence.embeddings, positive, weights, prior, params, torch.tensor(biases)
    )
    return F.normalize(fitted, dim=1) * named.norm(dim=1, keepdim=True)


def _evidence(
    examples: Sequence[ExampleImage], describe: Describe, index: ClassIndex
) -> Iterator[Evidence]:
    for example in examples:  # before hours may be spent on the images
        for name in (*(o.name for o in example.objects), *example.labels):
            index.require(name, str(example))
    for example in track(examples, description="regions", total=len(examples), unit="image"):
        size_hw, regions = describe(example)
        if example.objects:
            boxes = [_checked_box(o, size_hw, example) for o in example.objects]
            classes = [index.require(o.name, str(example)) for o in example.objects]
            yield evidence_of_boxes(regions, torch.tensor(boxes), torch.tensor(classes))
        for name in example.labels:
            yield evidence_of_label(regions, index.require(name, str(example)))


def _checked_box(
    shown: BoxedObject, size_hw: tuple[int, int], example: ExampleImage
) -> Sequence[float]:
    x0, y0, x1, y1 = shown.box_xyxy
    height, width = size_hw
    where = f"{example}: the box {list(shown.box_xyxy)} of {shown.name!r}"
    if not (x0 < x1 and y0 < y1):
        raise InputError(f"{where} has no area; expected x0 < x1 and y0 < y1, in pixels")
    if min(x1, width) <= max(x0, 0) or min(y1, height) <= max(y0, 0):
        raise InputError(f"{where} lies outside of the image, which is {width} x {height} pixels")
    return shown.box_xyxy


def _check_found(
    classes: Sequence[int],
    labels: Tensor,
    vocabulary: EmbeddedVocabulary,
    examples: Sequence[ExampleImage],
) -> None:
    """Check that each class to be fitted has a region."""
    found = Counter(labels.tolist())
    index = ClassIndex(vocabulary.names)
    for missing in (c for c in classes if not found[c]):
        name = vocabulary.names[missing]
        its = [
            e
            for e in examples
            if missing in [index.find(n) for n in (*(o.name for o in e.objects), *e.labels)]
        ]
        if not its:
            raise InputError(f"there is no example of the class {name!r}, which is to be tuned")
        raise InputError(
            f"{its[0]}: the detector has no region on {name!r}, nor in any other of its {len(its)} "
            "images; draw boxes tightly around visible objects, or give more examples"
        )
