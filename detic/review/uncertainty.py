"""Which images of a job to look at first: those that the detector is least sure of."""

import heapq
import math
from collections import Counter
from collections.abc import Mapping

from detic.labelling.labelled_images import ChosenImages, LabelledImages


def most_uncertain(images: LabelledImages, count: int) -> ChosenImages:
    """Return the images that are most uncertain, the most uncertain first.

    Of images that are equally so, the one that was planned first comes first. Images without
    objects are certain: they come last.
    """
    num_objects = Counter(found["label"] for image in images for found in image["detections"])
    ranked = ((-uncertainty(image, num_objects), image["image_id"], image) for image in images)
    return ChosenImages(images.job, [image for _, _, image in heapq.nsmallest(count, ranked)])


def uncertainty(image: dict, num_objects: Mapping[int, int]) -> float:
    """Return how much there is to learn from an image.

    It is a sum over its classes: the entropy of the score that is nearest to one half, divided by
    the root of the number of the class's objects. So rare classes count more, and crowds do not.

    >>> image = {"detections": [{"label": 0, "score": 0.5}, {"label": 0, "score": 0.9}]}
    >>> uncertainty(image, {0: 4})
    0.5

    Args:
        image: an entry of a part.
        num_objects: in all images, by label.
    """
    entropies: dict[int, float] = {}
    for found in image["detections"]:
        label = found["label"]
        entropies[label] = max(entropies.get(label, 0.0), entropy(found["score"]))
    return math.fsum(value / math.sqrt(num_objects[label]) for label, value in entropies.items())


def entropy(score: float) -> float:
    """Return the entropy in bits of something that is so with this probability.

    >>> entropy(0.5), entropy(0.0), entropy(1.0)
    (1.0, 0.0, 0.0)
    """
    return -sum(p * math.log2(p) for p in (score, 1 - score) if p > 0) or 0.0
