"""Whether an exported file finds what its detector finds.

Shapes: N and M detections, S side of a mask, h x w window of an image around a box.
"""

from dataclasses import dataclass

import numpy as np

from detic.export.formats import Run
from detic.export.reference import MASK_THRESHOLD, Found, Reference, pasted

MAX_SCORE_DIFFERENCE = 1e-4
MAX_BOX_DIFFERENCE_PX = 0.02
MAX_EMBEDDING_DIFFERENCE = 1e-3  # of a feature of region embeddings, which have unit length
MASK_MARGIN = 0.01  # pixels whose probability is so near to a half may differ
VERIFIED_SHARE = 0.98  # of the objects, which have to be equal
NOTHING_VERIFIED = "nothing: the detector finds no object in the images"


@dataclass(frozen=True)
class Agreement:
    """How the detections of a file compare with those of its detector."""

    num_objects: int  # that one of them, or both, found
    num_matched: int
    max_score_difference: float = 0.0  # of those
    max_box_difference_px: float = 0.0
    max_embedding_difference: float = 0.0

    def __str__(self) -> str:
        if self.num_objects == 0:
            return "nothing was compared, as the detector finds nothing in the sample images"
        return (
            f"{self.num_matched} of {self.num_objects} objects are equal (scores within "
            f"{self.max_score_difference:.1e}, boxes within {self.max_box_difference_px:.1e} pixels, "
            f"region embeddings within {self.max_embedding_difference:.1e})"
        )


def compare(reference: Reference, run: Run) -> Agreement:
    """Return how what a file finds in images compares with what its detector finds."""
    pairs = zip(reference.found, reference.outputs_of(run), strict=True)
    parts = [_agreement(*pair, reference.threshold) for pair in pairs]
    return Agreement(
        sum(part.num_objects for part in parts),
        sum(part.num_matched for part in parts),
        max(part.max_score_difference for part in parts),
        max(part.max_box_difference_px for part in parts),
        max(part.max_embedding_difference for part in parts),
    )


def verified_in_words(reference: Reference) -> str:
    """Return what is known of a file that finds `VERIFIED_SHARE` of the objects."""
    least = reference.threshold + MAX_SCORE_DIFFERENCE
    num_objects = sum(int((found["scores"] > least).sum()) for found in reference.found)
    if num_objects == 0:
        return NOTHING_VERIFIED
    masks = f", and equal masks where probabilities are not within {MASK_MARGIN} of a half"
    return (
        f"{VERIFIED_SHARE:.0%} of the {num_objects} objects that the detector finds in "
        f"{len(reference.images)} images are found by the file: of the same class, with scores within "
        f"{MAX_SCORE_DIFFERENCE}, boxes within {MAX_BOX_DIFFERENCE_PX} pixels, region embeddings within "
        f"{MAX_EMBEDDING_DIFFERENCE}{masks if reference.has_masks else ''}"
    )


def _agreement(expected: Found, found: Found, threshold: float) -> Agreement:
    """Return how two sets of detections compare; those at the threshold may be in one alone."""
    scores = np.abs(expected["scores"][:, None] - found["scores"])  # (N, M)
    boxes = np.abs(expected["boxes"][:, None] - found["boxes"]).max(axis=2, initial=0)
    is_match = (expected["classes"][:, None] == found["classes"]) & (scores <= MAX_SCORE_DIFFERENCE)
    is_match &= boxes <= MAX_BOX_DIFFERENCE_PX
    embeddings = np.zeros_like(scores)
    for row, other in zip(*np.nonzero(is_match), strict=True):
        pair = expected["region_embeddings"][row], found["region_embeddings"][other]
        embeddings[row, other] = np.abs(pair[0] - pair[1]).max()
        is_match[row, other] = _has_equal_mask(expected, row, found, other)
    is_match &= embeddings <= MAX_EMBEDDING_DIFFERENCE
    has_match = [is_match.any(axis=1), is_match.any(axis=0)]
    # An object counts that has a match, or that would have to
    num_objects = [
        int((matched | (of["scores"] > threshold + MAX_SCORE_DIFFERENCE)).sum())
        for of, matched in zip((expected, found), has_match, strict=True)
    ]
    return Agreement(
        max(num_objects),
        min(int(matched.sum()) for matched in has_match),
        float(scores[is_match].max(initial=0)),
        float(boxes[is_match].max(initial=0)),
        float(embeddings[is_match].max(initial=0)),
    )


def _has_equal_mask(expected: Found, row: int, found: Found, other: int) -> bool:
    """Return whether the masks of two detections are equal but for pixels that may be either."""
    if "masks" not in expected:
        return True
    if "masks" not in found:
        return False
    mask = expected["masks"][row]  # (h, w)
    given = found["masks"][other], expected["boxes"][row], mask.shape
    surely, maybe = (
        pasted(*given, MASK_THRESHOLD + margin) for margin in (MASK_MARGIN, -MASK_MARGIN)
    )
    return bool((surely <= mask).all() and (mask <= maybe).all())
