"""The record of an image that is labelled as a whole."""

from collections.abc import Iterable
from typing import Any

from detic.datasets.image_sizes import SizeHW


def image_label_record(
    image_id: int, place: dict[str, Any], size_hw: SizeHW | None, labels: Iterable[int]
) -> dict[str, Any]:
    """Return the record of an image.

    Args:
        image_id: unique within the dataset.
        place: where the image is, as ``detic.loading.image_reader`` wants it.
        size_hw: (height, width) in pixels; None if it could not be read: the image stays in the
            dataset, so that the training counts and lists it.
        labels: 0-based classes, any number of them.
    """
    size = {} if size_hw is None else {"height": size_hw[0], "width": size_hw[1]}
    return {
        **place,
        **size,
        "image_id": image_id,
        "annotations": [],
        "pos_category_ids": sorted(set(labels)),
    }
