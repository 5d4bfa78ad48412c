"""Videos as streams of frames with the times at which they are shown."""

import logging
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from detic.errors import InputError
from detic.image_sources import is_address
from detic.videos.streams import Reconnection, Stream

_UNKNOWN_FPS = 25.0
_MAX_FPS = 240.0  # containers that count milliseconds may claim 1000
_MAX_GAP_S = 3600.0  # a frame that claims to be shown for longer has a wrong time

logger = logging.getLogger(__name__)

Source = str | os.PathLike | int


@dataclass(frozen=True, eq=False)
class Frame:
    """An image of a video and when it is shown, in seconds after the first frame appears."""

    image: np.ndarray  # (H, W, 3) uint8 BGR
    start_s: float
    end_s: float  # when the next one takes its place


@dataclass(frozen=True)
class Video:
    """An open video, camera or stream."""

    fps: float
    num_frames: int | None  # as the file says, often a guess from its length; None: it does not
    frames: Iterator[Frame]  # read once
    is_live: bool = False  # its times are those at which the frames were received


@contextmanager
def open_video(source: Source, reconnection: Reconnection | None = None) -> Iterator[Video]:
    """Yield the video of a file or an address, or of the camera of a number.

    Args:
        source: a path; an address such as ``rtsp://camera/1`` or ``http://host/clip.mp4``; a number.
        reconnection: to an address without an end, when it sends nothing more.

    Raises:
        InputError: it cannot be opened, or its first frame cannot be decoded.
    """
    if isinstance(source, int):
        with _opened(cv2.VideoCapture(source), f"camera {source}") as (capture, first):
            yield _live_video(capture, chain([first], _images(capture)))
    elif isinstance(source, str) and is_address(source):
        with (
            Stream(source, reconnection or Reconnection()) as stream,
            _opened(stream.capture, f"the video '{stream.name}'") as (capture, first),
        ):
            yield _video_of_address(stream, capture, first)
    else:
        path = Path(source)
        _check_is_file(path)
        with _opened(cv2.VideoCapture(str(path)), f"the video '{path}'") as (capture, first):
            yield _finite_video(capture, first, str(path))


@contextmanager
def _opened(capture: cv2.VideoCapture, what: str) -> Iterator[tuple[cv2.VideoCapture, np.ndarray]]:
    """Yield an open video and its first image."""
    try:
        has_frame, first = capture.read() if capture.isOpened() else (False, None)
        if not has_frame or first is None:
            raise InputError(f"cannot read {what}; is it there, and does a player show it?")
        yield capture, first
    finally:
        capture.release()


def _finite_video(capture: cv2.VideoCapture, first: np.ndarray, name: str) -> Video:
    fps, num_frames = _rate(capture), _length(capture)
    frames = _timed_frames(capture, first, fps, num_frames, name)
    return Video(min(fps, _MAX_FPS), num_frames, frames)


def _live_video(capture: cv2.VideoCapture, images: Iterable[np.ndarray]) -> Video:
    fps = min(_rate(capture), _MAX_FPS)
    return Video(fps, None, live_frames(images, fps), is_live=True)


def _video_of_address(stream: Stream, capture: cv2.VideoCapture, first: np.ndarray) -> Video:
    """Return a file that is read over the network, or a stream, which says no length."""
    if _length(capture) is not None:
        return _finite_video(capture, first, stream.name)
    return _live_video(capture, chain([first], stream.images()))


def _rate(capture: cv2.VideoCapture) -> float:
    return capture.get(cv2.CAP_PROP_FPS) or _UNKNOWN_FPS


def _length(capture: cv2.VideoCapture) -> int | None:
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    return count if count > 0 else None


def _check_is_file(path: Path) -> None:
    """Raise if a path leads to a pipe or a device, which OpenCV would wait for."""
    try:
        is_special = not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:  # opening it says what is wrong
        return
    if is_special:
        raise InputError(f"cannot read the video '{path}': it is no file")


def live_frames(images: Iterable[np.ndarray], fps: float) -> Iterator[Frame]:
    """Yield images as frames at the times at which they are received."""
    first_s: float | None = None
    for image in images:
        now_s = time.monotonic()
        first_s = now_s if first_s is None else first_s
        yield Frame(image, now_s - first_s, now_s - first_s + 1 / fps)


def _images(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    while True:
        has_frame, image = capture.read()
        if not has_frame:
            return
        yield image


def _timed_frames(
    capture: cv2.VideoCapture, first: np.ndarray, fps: float, num_frames: int | None, name: str
) -> Iterator[Frame]:
    """Yield the frames of a file at their times, each when the next one is known.

    The last frame of a variable frame rate is shown until the end that the file claims. At a constant
    rate, an earlier end is warned of: frames are missing.
    """
    first_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
    image, start_s, number, varies = first, 0.0, 1, False
    for following in _images(capture):
        time_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 - first_s
        next_s = time_s if 0 < time_s - start_s <= _MAX_GAP_S else start_s + 1 / fps
        varies = varies or abs((next_s - start_s) * fps - 1) > 0.5
        yield Frame(image, start_s, next_s)
        image, start_s, number = following, next_s, number + 1
    claimed_s = (num_frames or 0) / fps
    end_s = start_s + 1 / fps
    if varies:
        end_s = max(end_s, min(claimed_s, start_s + _MAX_GAP_S))
    elif num_frames is not None and number < num_frames:
        logger.warning(
            "%s ends after %d frames; its header says %d, so it may be cut off",
            name,
            number,
            num_frames,
        )
    yield Frame(image, start_s, end_s)
