"""How often each image is drawn, and the order of the images of one epoch.

Shapes: N images in all datasets together, E draws in an epoch.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from detic.annotation import AnnotationKind
from detic.datasets.image_records import Labels, as_image_records
from detic.errors import InputError

# Generator -> image indices of the next epoch, (E,) int64
DrawEpoch = Callable[[torch.Generator], Tensor]

MAX_WEIGHTED_IMAGES = 2**24  # limit of torch.multinomial


def tag_repeat_factors(records: Sequence[dict], threshold: float) -> Tensor:
    """Return how often each image is to be seen so that rare labels are seen more.

    A label in a fraction f of the images has the factor max(1, sqrt(threshold / f)), an image the
    largest factor of its labels, 1 if it has none. An image that lists a label twice counts twice.

    Args:
        records: with ``pos_category_ids``, 0-based classes; missing ones count as none.
        threshold: the fraction below which images are repeated.

    Returns:
        (N,) float32.

    Source: Gupta et al., LVIS, arXiv 1908.03195, appendix B.2.
    """
    labels = as_image_records(records).image_labels()
    return _factors(labels, len(records), threshold, sqrt=True)


def repeat_factors(
    records: Sequence[dict], kind: AnnotationKind, threshold: float, sqrt: bool = True
) -> Tensor:
    """Return how often each image is to be seen so that rare classes are seen more, (N,) float32.

    Args:
        records: of one dataset.
        kind: boxes are counted by the class of the box, once an image, as detectron2's
            RepeatFactorTrainingSampler does; everything else by image label.
        threshold: the fraction of images below which a class is repeated.
        sqrt: for boxes, whether to take the square root (``DATALOADER.REPEAT_SQRT``).
    """
    if kind is not AnnotationKind.BOX:
        return tag_repeat_factors(records, threshold)
    labels = as_image_records(records).box_labels()
    return _factors(labels.of_images_once(), len(records), threshold, sqrt)


def _factors(labels: Labels, num_images: int, threshold: float, sqrt: bool) -> Tensor:
    _, ranks, counts = np.unique(labels.classes, return_inverse=True, return_counts=True)
    ratios = threshold * num_images / counts
    of_class = np.maximum(1.0, np.sqrt(ratios) if sqrt else ratios)
    factors = np.ones(num_images)
    np.maximum.at(factors, labels.images, of_class[ranks])
    return torch.from_numpy(factors.astype(np.float32))


def dataset_weights(
    sizes: Sequence[int], ratios: Sequence[float], factors: Sequence[Tensor | None]
) -> Tensor:
    """Return the weight with which each image is drawn, (N,) float32.

    Dataset d is drawn with probability ratio_d / sum of ratios, whatever its size. Repeat factors
    shift weights within a dataset; their mean becomes 1.

    Args:
        sizes: number of images of each dataset.
        ratios: share of each dataset.
        factors: repeat factors of its images, (N_d,), or None for equal weights.
    """
    weights = []
    for size, ratio, factor in zip(sizes, ratios, factors, strict=True):
        weight = torch.full((size,), max(sizes) / size * ratio / sum(ratios))
        weights.append(weight if factor is None else weight * (factor * (size / factor.sum())))
    return torch.cat(weights)


def weighted_draw(weights: Tensor) -> DrawEpoch:
    """Return the draw of as many images as there are, with replacement, by weight (N,).

    Raises:
        InputError: there are more images than torch can draw from.
    """
    if len(weights) > MAX_WEIGHTED_IMAGES:
        raise InputError(
            f"the training datasets have {len(weights)} images, at most {MAX_WEIGHTED_IMAGES} can "
            "be drawn by weight; split off a part of the largest dataset"
        )
    # Sums over millions of float32 weights would stop growing.
    weights = weights.double()
    return lambda generator: torch.multinomial(
        weights, len(weights), replacement=True, generator=generator
    )


def shuffled_draw(num_images: int) -> DrawEpoch:
    """Return the draw of every image once, in random order."""
    return lambda generator: torch.randperm(num_images, generator=generator)


def repeated_draw(factors: Tensor) -> DrawEpoch:
    """Return the draw of image i ``factors[i]`` times in random order.

    A factor of 2.3 gives two copies, and a third one in three epochs of ten.

    Args:
        factors: (N,) float32.
    """
    whole = torch.trunc(factors)

    def draw(generator: torch.Generator) -> Tensor:
        extra = torch.rand(len(factors), generator=generator) < factors - whole
        indices = torch.repeat_interleave((whole + extra).long())
        return indices[torch.randperm(len(indices), generator=generator)]

    return draw
