"""Videos as streams of frames (H, W, 3) uint8 BGR."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detic.errors import InputError
from detic.files import unfinished_path

_CODEC = "mp4v"  # in every build of OpenCV
_UNKNOWN_FPS = 25.0


@dataclass(frozen=True)
class Video:
    """An open video or camera."""

    fps: float
    num_frames: int | None  # as the file says; None: it does not
    frames: Iterator[np.ndarray]  # read once


@contextmanager
def open_video(source: Path | int) -> Iterator[Video]:
    """Yield the video of a file, or of the camera of a number.

    Raises:
        InputError: it cannot be opened, or its first frame cannot be decoded.
    """
    capture = cv2.VideoCapture(source if isinstance(source, int) else str(source))
    try:
        has_frame, first = capture.read() if capture.isOpened() else (False, None)
        if not has_frame or first is None:
            what = f"camera {source}" if isinstance(source, int) else f"the video '{source}'"
            raise InputError(f"cannot read {what}; is it there, and does a player show it?")
        num_frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        yield Video(
            fps=capture.get(cv2.CAP_PROP_FPS) or _UNKNOWN_FPS,
            num_frames=num_frames if num_frames > 0 else None,
            frames=_frames(capture, first),
        )
    finally:
        capture.release()


def _frames(capture: cv2.VideoCapture, first: np.ndarray) -> Iterator[np.ndarray]:
    yield first
    while True:
        has_frame, frame = capture.read()
        if not has_frame:
            return
        yield frame


@contextmanager
def video_writer(path: Path, fps: float) -> Iterator[Callable[[np.ndarray], None]]:
    """Yield a function that appends a frame to a video; all frames have the size of the first.

    Raises:
        InputError: OpenCV cannot encode it.
    """
    writer = cv2.VideoWriter()
    with unfinished_path(path) as unfinished:

        def write(frame: np.ndarray) -> None:
            if not writer.isOpened():
                size_wh = frame.shape[1::-1]
                code = cv2.VideoWriter.fourcc(*_CODEC)
                if not writer.open(str(unfinished), code, fps, size_wh):
                    raise InputError(f"OpenCV cannot encode {path} as {_CODEC} at {fps} frames/s")
            writer.write(frame)

        try:
            yield write
        finally:
            writer.release()
