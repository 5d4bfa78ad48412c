"""Streams over the network: RTSP, HTTP and what else FFmpeg reads, with reconnection."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import cv2
import numpy as np

from detic.errors import InputError

_TIMEOUT_MS = 10_000  # of a connection that answers nothing; FFmpeg's own are three times as long

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reconnection:
    """How a stream that sends nothing more is asked again."""

    give_up_s: float = 60.0  # after so many seconds without a frame; 0: at once
    first_wait_s: float = 0.5  # each wait is twice as long as the one before
    longest_wait_s: float = 15.0

    def __post_init__(self):
        if not self.give_up_s >= 0 or not 0 < self.first_wait_s <= self.longest_wait_s:
            raise InputError(
                f"a stream is reconnected to for 0 seconds or more, with waits above 0: {self}"
            )

    def waits_s(self) -> Iterator[float]:
        """Yield the wait before each try, in seconds, until it is time to give up.

        >>> list(Reconnection(give_up_s=10, first_wait_s=1, longest_wait_s=4).waits_s())
        [1, 2, 4, 3]
        """
        wait_s, left_s = self.first_wait_s, self.give_up_s
        while left_s > 0:
            yield min(wait_s, left_s)
            left_s -= wait_s
            wait_s = min(2 * wait_s, self.longest_wait_s)


def shown_address(address: str) -> str:
    """Return an address without what may be secret: user, password and query.

    >>> shown_address("rtsp://me:secret@camera:554/1?key=2")
    'rtsp://camera:554/1'
    """
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class Stream:
    """The images of an address, over one connection after the other."""

    def __init__(self, address: str, reconnection: Reconnection):
        self.name = shown_address(address)
        self.capture = _connect(address)
        self._address = address
        self._reconnection = reconnection

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *error: object) -> None:
        self.capture.release()

    def images(self) -> Iterator[np.ndarray]:
        """Yield images until none comes for as long as the reconnection is tried."""
        image = self._next()
        while image is not None:
            yield image
            image = self._next()
            if image is None:
                image = self._reconnected()

    def _next(self) -> np.ndarray | None:
        has_image, image = self.capture.read()
        return image if has_image else None

    def _reconnected(self) -> np.ndarray | None:
        """Return the first image of a new connection, None if there is none in time."""
        for wait_s in self._reconnection.waits_s():
            logger.info("%s sends nothing more; trying again in %.1f s", self.name, wait_s)
            self.capture.release()
            time.sleep(wait_s)
            self.capture = _connect(self._address)
            image = self._next()
            if image is not None:
                return image
        logger.warning("%s sends nothing more; it is taken as ended", self.name)
        return None


def _connect(address: str) -> cv2.VideoCapture:
    timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC]
    options = [number for key in timeouts for number in (key, _TIMEOUT_MS)]
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, options)
