"""Videos as streams of frames with the times at which they are shown."""

import logging
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from detic.errors import InputError
from detic.files import unfinished_path

_CODEC = "mp4v"  # in every build of OpenCV
_UNKNOWN_FPS = 25.0
_MAX_FPS = 240.0  # of written videos; containers that count milliseconds may claim 1000
_MAX_GAP_S = 3600.0  # a frame that claims to be shown for longer has a wrong time
_PROBE = bytes(2**20)  # written to a disk that may be full

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Frame:
    """An image of a video and when the next one takes its place."""

    image: np.ndarray  # (H, W, 3) uint8 BGR
    end_s: float  # seconds after the first frame appears


@dataclass(frozen=True)
class Video:
    """An open video or camera."""

    fps: float
    num_frames: int | None  # as the file says, often a guess from its length; None: it does not
    frames: Iterator[Frame]  # read once


@contextmanager
def open_video(source: Path | str | int) -> Iterator[Video]:
    """Yield the video of a file, at an address, or of the camera of a number.

    Raises:
        InputError: it cannot be opened, or its first frame cannot be decoded.
    """
    if isinstance(source, Path):
        _check_is_file(source)
    capture = cv2.VideoCapture(source if isinstance(source, int) else str(source))
    try:
        has_frame, first = capture.read() if capture.isOpened() else (False, None)
        if not has_frame or first is None:
            what = f"camera {source}" if isinstance(source, int) else f"the video '{source}'"
            raise InputError(f"cannot read {what}; is it there, and does a player show it?")
        fps = capture.get(cv2.CAP_PROP_FPS) or _UNKNOWN_FPS
        if isinstance(source, int):
            images = chain([first], _images(capture))
            yield Video(min(fps, _MAX_FPS), None, steady_frames(images, fps))
        else:
            count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            num_frames = count if count > 0 else None
            frames = _timed_frames(capture, first, fps, num_frames, source)
            yield Video(min(fps, _MAX_FPS), num_frames, frames)
    finally:
        capture.release()


def _check_is_file(path: Path) -> None:
    """Raise if a path leads to a pipe or a device, which OpenCV would wait for."""
    try:
        is_special = not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:  # opening it says what is wrong
        return
    if is_special:
        raise InputError(f"cannot read the video '{path}': it is no file")


def steady_frames(images: Iterable[np.ndarray], fps: float) -> Iterator[Frame]:
    """Yield images as frames at a constant rate."""
    for number, image in enumerate(images, start=1):
        yield Frame(image, number / fps)


def _images(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    while True:
        has_frame, image = capture.read()
        if not has_frame:
            return
        yield image


def _timed_frames(
    capture: cv2.VideoCapture,
    first: np.ndarray,
    fps: float,
    num_frames: int | None,
    path: Path | str,
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
        yield Frame(image, next_s)
        image, start_s, number = following, next_s, number + 1
    claimed_s = (num_frames or 0) / fps
    end_s = start_s + 1 / fps
    if varies:
        end_s = max(end_s, min(claimed_s, start_s + _MAX_GAP_S))
    elif num_frames is not None and number < num_frames:
        logger.warning(
            "%s ends after %d frames; its header says %d, so it may be cut off",
            path,
            number,
            num_frames,
        )
    yield Frame(image, end_s)


class _Recorder:
    """Writer of frames at a constant rate: each as often as its time asks for.

    A frame that is due for no time at all is written all the same, unless that makes the video more
    than a frame late.
    """

    def __init__(self, path: Path, fps: float):
        self.path = path  # of the unfinished file
        self.fps = fps
        self.num_written = 0
        self.writer = cv2.VideoWriter()

    def write(self, image: np.ndarray, end_s: float) -> None:
        if not self.writer.isOpened():
            code = cv2.VideoWriter.fourcc(*_CODEC)
            if not self.writer.open(str(self.path), code, self.fps, image.shape[1::-1]):
                raise InputError(f"OpenCV cannot encode {_CODEC} at {self.fps} frames/s")
        due = math.floor(end_s * self.fps + 0.5) - self.num_written
        for _ in range(1 if due == 0 else due):
            self.writer.write(image)
            self.num_written += 1

    def check(self) -> None:
        """Check that everything was written, which OpenCV does not tell.

        Raises:
            OSError: what the operating system says against writing more.
            InputError: something else went wrong.
        """
        capture = cv2.VideoCapture(str(self.path))
        num_found = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        if num_found == self.num_written:
            return
        with self.path.open("ab") as file:
            file.write(_PROBE)
            os.fsync(file.fileno())
        raise InputError(f"OpenCV wrote {num_found} of {self.num_written} frames of a video")


@contextmanager
def video_writer(path: Path, fps: float) -> Iterator[Callable[[np.ndarray, float], None]]:
    """Yield a function that appends an image to a video and takes the second at which it ends.

    All images have the size of the first.

    Raises:
        InputError: OpenCV cannot encode it, or the disk cannot take it.
    """
    with unfinished_path(path) as unfinished:
        recorder = _Recorder(unfinished, fps)
        try:
            yield recorder.write
        finally:
            recorder.writer.release()
        recorder.check()
