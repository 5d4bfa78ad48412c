"""Cameras, the screen, and windows to show results in."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from detic.errors import InputError
from detic.image_sources import is_address
from detic.videos import Reconnection, Video, live_frames, open_video

SCREEN = "screen"
_SCREEN_FPS = 10.0
_WINDOW = "Detic"
_QUIT_KEYS = (ord("q"), 27)  # 27 is Esc


@contextmanager
def open_live(source: str, reconnection: Reconnection | None = None) -> Iterator[Video]:
    """Yield the video of a camera, by its number, of the screen, or of an address.

    Raises:
        InputError: there is no such source.
    """
    if source == SCREEN:
        with _open_screen() as video:
            yield video
    elif source.isdecimal() or is_address(source):
        number_or_address = source if is_address(source) else int(source)
        with open_video(number_or_address, reconnection) as video:
            yield video
    else:
        raise InputError(
            f"unknown camera '{source}'; choose a number from 0, {SCREEN}, or an address such as "
            "rtsp://camera/1"
        )


@contextmanager
def _open_screen() -> Iterator[Video]:
    try:
        import mss
    except ImportError as e:
        raise InputError("capturing the screen needs mss; install it with `pip install mss`") from e
    with mss.mss() as grabber:
        primary = grabber.monitors[1]  # monitors[0] is all of them together
        frames = live_frames(_screenshots(grabber, primary), _SCREEN_FPS)
        yield Video(_SCREEN_FPS, None, frames, is_live=True)


def _screenshots(grabber, monitor: dict) -> Iterator[np.ndarray]:
    while True:
        yield np.ascontiguousarray(np.asarray(grabber.grab(monitor))[:, :, :3])  # BGRA


def check_display() -> None:
    """Raise if no window can be opened.

    OpenCV ends the whole process when it opens a window without a display.
    """
    is_x11 = sys.platform.startswith("linux")
    if is_x11 and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError(
            "there is no display to show results on; write them with --output, --json, "
            "--save-to or --features"
        )


def show(image_bgr: np.ndarray, wait_ms: int = 1) -> bool:
    """Show an image; return whether the user wants to go on rather than quit by q or Esc.

    Args:
        wait_ms: for a key; 0 waits until one is pressed.

    Raises:
        InputError: this OpenCV cannot open windows.
    """
    try:
        cv2.imshow(_WINDOW, image_bgr)
        key = cv2.waitKey(wait_ms)
    except cv2.error as e:
        raise InputError(
            "this OpenCV cannot open windows; write results with --output, or install "
            "opencv-python in place of opencv-python-headless"
        ) from e
    return key & 0xFF not in _QUIT_KEYS
