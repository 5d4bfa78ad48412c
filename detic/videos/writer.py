"""Videos to files: with PyAV every frame once at its time, with OpenCV alone at a constant rate."""

import logging
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import cv2
import numpy as np

from detic.errors import InputError
from detic.files import unfinished_path

if TYPE_CHECKING:
    from av.video.stream import VideoStream

_OPENCV_CODEC = "mp4v"  # in every build of OpenCV
_PYAV_CODECS = ("libx264", "mpeg4")  # the first that the installed PyAV has
_X264_OPTIONS = {"preset": "veryfast"}
# Ticks a second: a multiple of usual rates, 29.97 among them, and below MPEG-4's 65536
_TICKS = 60_000
_PROBE = bytes(2**20)  # written to a disk that may be full

logger = logging.getLogger(__name__)

Write = Callable[[np.ndarray, float, float], None]


class Recorder(Protocol):
    """A video file that is being written."""

    def write(self, image: np.ndarray, start_s: float, end_s: float) -> None:
        """Append an image (H, W, 3) uint8 BGR that is shown from ``start_s`` to ``end_s``."""

    def finish(self) -> None:
        """Write what is left."""

    def release(self) -> None:
        """Close the file, finished or not."""


class PyAVRecorder:
    """Frames at their own times.

    A frame that comes less than a tick after the one before is left out.
    """

    def __init__(self, path: Path, fps: float):
        self.path = path
        self.fps = fps
        self._file: _PyAVFile | None = None  # made for the size of the first image
        self._start, self._end = -1, 0  # of the last frame, in ticks

    def write(self, image: np.ndarray, start_s: float, end_s: float) -> None:
        self._file = self._file or _PyAVFile(self.path, self.fps, image.shape[:2])
        start = round(start_s * _TICKS)
        if start > self._start:
            self._start, self._end = start, max(round(end_s * _TICKS), start + 1)
            self._file.write(image, self._start, self._end)

    def finish(self) -> None:
        if self._file is not None:
            self._file.write(None, self._start, self._end)

    def release(self) -> None:
        if self._file is not None:
            self._file.container.close()


class _PyAVFile:
    """An open file with one stream of images."""

    def __init__(self, path: Path, fps: float, size_hw: tuple[int, int]):
        import av

        codec = next(name for name in _PYAV_CODECS if name in av.codecs_available)
        self.container = av.open(str(path), "w", format="mp4")
        rate = Fraction(fps).limit_denominator(1001)
        # No frame refers to later ones, so the last packet is the last frame.
        options = {"bf": "0"} | (_X264_OPTIONS if codec == "libx264" else {})
        self.stream = cast("VideoStream", self.container.add_stream(codec, rate, options=options))
        # Colours of the format are stored for 2 x 2 pixels.
        self.stream.height, self.stream.width = (side // 2 * 2 for side in size_hw)
        self.stream.pix_fmt = "yuv420p"
        self.stream.codec_context.time_base = Fraction(1, _TICKS)

    def write(self, image: np.ndarray | None, start: int, end: int) -> None:
        """Append an image, or write what is still in the encoder if there is none.

        Args:
            start: of the last image, in ticks.
            end: of the last image, in ticks; the others last until the next.
        """
        import av

        frame = None
        if image is not None:
            even = np.ascontiguousarray(image[: self.stream.height, : self.stream.width])
            frame = av.VideoFrame.from_ndarray(even, format="bgr24")
            frame.pts, frame.time_base = start, Fraction(1, _TICKS)
        for packet in self.stream.encode(frame):
            assert packet.time_base is not None
            if packet.pts == round(Fraction(start, _TICKS) / packet.time_base):
                packet.duration = round(Fraction(end - start, _TICKS) / packet.time_base)
            self.container.mux(packet)


class OpenCVRecorder:
    """Frames at a constant rate: each as often as its time asks for.

    A frame that is due for no time at all is written all the same, unless that makes the video more
    than a frame late.
    """

    def __init__(self, path: Path, fps: float):
        self.path = path
        self.fps = fps
        self.num_written = 0
        self._writer = cv2.VideoWriter()
        self._last: tuple[np.ndarray, float] | None = None  # image, second of its end
        self._is_steady = True

    def write(self, image: np.ndarray, start_s: float, end_s: float) -> None:
        if self._last is None:
            code = cv2.VideoWriter.fourcc(*_OPENCV_CODEC)
            if not self._writer.open(str(self.path), code, self.fps, image.shape[1::-1]):
                raise InputError(f"OpenCV cannot encode {_OPENCV_CODEC} at {self.fps} frames/s")
        else:
            self._put_last(start_s)
        self._last = image, end_s

    def _put_last(self, end_s: float) -> None:
        assert self._last is not None
        due = math.floor(end_s * self.fps + 0.5) - self.num_written
        if due != 1 and self._is_steady:
            self._is_steady = False
            logger.info(
                "frames come at a variable rate; OpenCV repeats them to keep the length, "
                "`pip install av` keeps their own times"
            )
        for _ in range(1 if due == 0 else due):
            self._writer.write(self._last[0])
            self.num_written += 1

    def finish(self) -> None:
        """Write what is left, and check that everything was written, which OpenCV does not tell.

        Raises:
            OSError: what the operating system says against writing more.
            InputError: something else went wrong.
        """
        if self._last is not None:
            self._put_last(self._last[1])
        self.release()
        capture = cv2.VideoCapture(str(self.path))
        num_found = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        if num_found == self.num_written:
            return
        with self.path.open("ab") as file:
            file.write(_PROBE)
            os.fsync(file.fileno())
        raise InputError(f"OpenCV wrote {num_found} of {self.num_written} frames of a video")

    def release(self) -> None:
        self._writer.release()


def recorder_class() -> type[PyAVRecorder] | type[OpenCVRecorder]:
    """Return what writes videos: PyAV where it is installed."""
    return OpenCVRecorder if find_spec("av") is None else PyAVRecorder


@contextmanager
def video_writer(path: Path, fps: float) -> Iterator[Write]:
    """Yield a function that appends an image to a video and takes the seconds of its start and end.

    All images have the size of the first.

    Args:
        path: an .mp4 file.
        fps: the rate of the video; an average for PyAV.

    Raises:
        InputError: it cannot be encoded, or the disk cannot take it.
    """
    with unfinished_path(path) as unfinished:
        recorder: Recorder = recorder_class()(unfinished, fps)
        try:
            yield recorder.write
            recorder.finish()
        finally:
            recorder.release()
