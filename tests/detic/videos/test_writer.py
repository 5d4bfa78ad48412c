import logging
import resource
import sys
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest

from detic.errors import InputError
from detic.videos import open_video, video_writer, writer
from tests.tiny_detector import noise

GREY = np.full((48, 64, 3), 128, np.uint8)


@pytest.fixture
def without_pyav(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)


@pytest.fixture(params=["pyav", "opencv"])
def each_recorder(request):
    """The test runs with PyAV and without."""
    if request.param == "opencv":
        request.getfixturevalue("without_pyav")
    else:
        pytest.importorskip("av", reason="PyAV is not installed")


def write_greys(path, ends, fps=10):
    """Write a video whose frames are 60 levels of grey apart and last until the given seconds."""
    with video_writer(path, fps) as write:
        for number, (start_s, end_s) in enumerate(pairwise([0, *ends])):
            write(np.full((48, 64, 3), 60 * number, np.uint8), start_s, end_s)


@pytest.mark.usefixtures("each_recorder")
@pytest.mark.parametrize("fps", [12.5, 30000 / 1001])
def test_written_video_has_the_rate_and_length(tmp_path, fps):
    write_greys(tmp_path / "out.mp4", [number / fps for number in (1, 2, 3, 4)], fps)
    with open_video(tmp_path / "out.mp4") as video:
        assert video.fps == pytest.approx(fps, abs=1e-4)
        frames = list(video.frames)
    assert [frame.start_s * fps for frame in frames] == pytest.approx([0, 1, 2, 3], abs=0.04)
    assert [round(float(frame.image.mean()) / 60) for frame in frames] == [0, 1, 2, 3]
    assert frames[0].image.shape == (48, 64, 3)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_frames_of_a_variable_rate_keep_their_times_with_pyav(tmp_path, monkeypatch, codec):
    pytest.importorskip("av", reason="PyAV is not installed")
    monkeypatch.setattr(writer, "_PYAV_CODECS", (codec, "mpeg4"))
    ends = [0.033, 0.5, 0.52, 2.0, 2.5]
    write_greys(tmp_path / "out.mp4", ends)
    with open_video(tmp_path / "out.mp4") as video:
        assert [frame.end_s for frame in video.frames] == pytest.approx(ends, abs=1e-3)


@pytest.mark.usefixtures("without_pyav")
@pytest.mark.parametrize(
    ("ends", "written"),
    [
        ([0.1, 0.2, 0.3], [0, 1, 2]),
        ([0.3, 0.4], [0, 0, 0, 1]),
        ([0.03, 0.04, 0.3], [0, 2, 2]),  # the second would be late
        ([0.01, 0.02, 0.03, 0.04], [0]),
        ([0.3, 0.32, 0.6], [0, 0, 0, 1, 2, 2]),
    ],
)
def test_without_pyav_frames_are_repeated_or_left_out_to_keep_their_times(
    tmp_path, caplog, ends, written
):
    with caplog.at_level(logging.INFO):
        write_greys(tmp_path / "out.mp4", ends)
    with open_video(tmp_path / "out.mp4") as video:
        found = [round(float(frame.image.mean()) / 60) for frame in video.frames]
    assert found == written
    assert ("`pip install av` keeps their own times" in caplog.text) is (written != [0, 1, 2])


def test_odd_sides_lose_a_pixel(tmp_path):
    pytest.importorskip("av", reason="PyAV is not installed")
    with video_writer(tmp_path / "out.mp4", fps=10) as write:
        write(GREY[:47, :63], 0.0, 0.1)
    with open_video(tmp_path / "out.mp4") as video:
        assert next(video.frames).image.shape == (46, 62, 3)


@contextmanager
def small_disk():
    """Files end at 20 kB: not a fixture, as pytest writes its own log before it ends fixtures."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("each_recorder")
def test_a_disk_that_cannot_take_a_video_is_told(tmp_path):
    def write_large_video():
        with small_disk(), video_writer(tmp_path / "out.mp4", fps=10) as write:
            for number in range(40):
                write(noise(240, 320, seed=number), number / 10, number / 10 + 0.1)

    with pytest.raises(InputError, match=r"cannot write .*out\.mp4: file too large"):
        write_large_video()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("each_recorder")
def test_failed_recording_leaves_no_file(tmp_path):
    def record_and_fail():
        with video_writer(tmp_path / "out.mp4", fps=12) as write:
            write(GREY, 0.0, 0.1)
            raise KeyError

    with pytest.raises(KeyError):
        record_and_fail()
    assert list(tmp_path.iterdir()) == []
