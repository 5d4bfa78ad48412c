"""Keeping count of the images that could not be read, in training and in evaluation."""

import logging
import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from detic.errors import InputError
from detic.files import write_text
from detic.loading.image_reader import UnreadableImage

logger = logging.getLogger(__name__)

FILE_NAME = "unreadable_images.txt"
MIN_SEEN = 20  # images, before a share of some of them means anything
LOG_PERIOD = 10.0  # seconds between messages
NUM_NAMED = 3  # unreadable images in the message that stops a program

T = TypeVar("T")


class UnreadableImages:
    """The unreadable images that a process has met, or all processes together.

    Args:
        max_fraction: share of all images seen above which they are too many; 1: never.

    Raises:
        InputError: ``max_fraction`` is no share.
    """

    def __init__(self, max_fraction: float):
        if not 0 <= max_fraction <= 1:
            raise InputError(
                f"DATALOADER.MAX_BAD_FRACTION is {max_fraction}; expected a share from 0 to 1"
            )
        self.max_fraction = max_fraction
        self.num_seen = 0
        self.num_unreadable = 0
        self.reasons: dict[str, str] = {}  # by image
        self._logged_at = -math.inf

    def readable(self, batch: Sequence[T | UnreadableImage]) -> list[T]:
        """Return the items of a batch that could be read, and count the others.

        Raises:
            InputError: too many images are unreadable.
        """
        failures = [item for item in batch if isinstance(item, UnreadableImage)]
        self.count(len(batch), failures)
        return [item for item in batch if not isinstance(item, UnreadableImage)]

    def count(self, num_seen: int, failures: Sequence[UnreadableImage]) -> None:
        """Add images that were seen, among them failures.

        Raises:
            InputError: too many images are unreadable.
        """
        self.num_seen += num_seen
        if not failures:
            return
        self.num_unreadable += len(failures)
        self.reasons |= {failure.name: failure.reason for failure in failures}
        if time.monotonic() - self._logged_at >= LOG_PERIOD:
            self._logged_at = time.monotonic()
            logger.warning(
                "left out an image that cannot be read, %s (%d of %d so far)",
                failures[-1],
                self.num_unreadable,
                self.num_seen,
            )
        if self.num_seen >= MIN_SEEN:
            self.check()

    def check(self) -> None:
        """Check the share of unreadable images; for all images of a set, however few.

        Raises:
            InputError: too many images are unreadable.
        """
        if self._are_too_many():
            raise InputError(self._complaint())

    def together(self, others: Iterable["UnreadableImages"]) -> "UnreadableImages":
        """Return what several processes have met."""
        total = UnreadableImages(self.max_fraction)
        for other in others:
            total.num_seen += other.num_seen
            total.num_unreadable += other.num_unreadable
            total.reasons |= other.reasons
        return total

    def write(self, folder: str | Path) -> None:
        """Add the images to the list in a folder; without any, leave it alone.

        Each line has an image and what is wrong with it. Other processes may write at the same
        time, and an earlier part of the same training may have written before.
        """
        if not self.reasons:
            return
        from filelock import FileLock

        path = Path(folder) / FILE_NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{FILE_NAME}.lock")):
            known = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            lines = sorted({*known, *map(_line, self.reasons.items())})
            write_text(path, "\n".join(lines) + "\n")
        logger.warning("%d images could not be read; they are listed in %s", len(lines), path)

    def _are_too_many(self) -> bool:
        """Return whether there are more than chance would give a good data set.

        One unreadable image among the first twenty is no five per cent of all images: three
        standard deviations above the expected number are allowed.
        """
        expected = self.max_fraction * self.num_seen
        chance = 3 * math.sqrt(expected * (1 - self.max_fraction))
        return self.num_unreadable > expected + chance

    def _complaint(self) -> str:
        examples = "; ".join(
            f"{name} ({reason})" for name, reason in list(self.reasons.items())[:NUM_NAMED]
        )
        return (
            f"{self.num_unreadable} of {self.num_seen} images cannot be read, more than "
            f"DATALOADER.MAX_BAD_FRACTION = {self.max_fraction} allows: {examples}; repair the "
            "data set or raise that key"
        )


def _line(item: tuple[str, str]) -> str:
    return "\t".join(" ".join(text.split()) for text in item)
