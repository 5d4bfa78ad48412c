"""Masks of annotations: which of them training can use."""

import logging
from collections.abc import Sequence

logger = logging.getLogger(__name__)


def keep_all_masks_or_none(records: Sequence[dict], origin: str) -> None:
    """Remove the masks of annotations unless all of them have one.

    A batch has masks for all its boxes or for none.

    Args:
        records: changed in place.
        origin: where they are from, for the warning.
    """
    annotations = [annotation for record in records for annotation in record["annotations"]]
    num_masks = sum("segmentation" in annotation for annotation in annotations)
    if 0 < num_masks < len(annotations):
        logger.warning(
            "%s: %d of %d annotations have masks, which are not used, as the others have none",
            *(origin, num_masks, len(annotations)),
        )
        for annotation in annotations:
            annotation.pop("segmentation", None)
