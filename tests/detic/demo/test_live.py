import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from detic.demo import live
from detic.demo.live import check_display, open_live, show
from detic.errors import InputError


class FakeScreen:
    monitors = ("all", "primary")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None

    def grab(self, monitor):
        assert monitor == "primary"
        return np.dstack([np.full((4, 6), channel, np.uint8) for channel in (1, 2, 3, 255)])


def test_screen_is_a_stream_of_bgr_frames(monkeypatch):
    monkeypatch.setitem(sys.modules, "mss", SimpleNamespace(mss=FakeScreen))
    with open_live("screen") as video:
        frame = next(video.frames).image
    assert frame.shape == (4, 6, 3)
    assert frame[0, 0].tolist() == [1, 2, 3]


def test_missing_mss_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "mss", None)
    with pytest.raises(InputError, match="pip install mss"), open_live("screen"):
        pass


def test_unknown_cameras_are_refused():
    with (
        pytest.raises(
            InputError,
            match="unknown camera 'front'; choose a number from 0, screen, or an address",
        ),
        open_live("front"),
    ):
        pass


def test_without_a_display_files_are_suggested(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(
        InputError, match="write them with --output, --json, --save-to or --features"
    ):
        check_display()
    monkeypatch.setenv("DISPLAY", ":0")
    check_display()


@pytest.mark.parametrize(
    ("key", "goes_on"), [(ord("q"), False), (27, False), (ord("n"), True), (-1, True)]
)
def test_q_and_esc_quit(monkeypatch, key, goes_on):
    monkeypatch.setattr(live.cv2, "imshow", lambda name, image: None)
    monkeypatch.setattr(live.cv2, "waitKey", lambda wait_ms: key)
    assert show(np.zeros((4, 4, 3), np.uint8)) is goes_on


def test_opencv_without_windows_is_explained(monkeypatch):
    def fail(name, image):
        raise cv2.error("not implemented")

    monkeypatch.setattr(live.cv2, "imshow", fail)
    with pytest.raises(InputError, match="this OpenCV cannot open windows"):
        show(np.zeros((4, 4, 3), np.uint8))
