import os
import resource

import numpy as np
import pytest

from detic.demo.video import open_video, video_writer
from detic.errors import InputError
from tests.detic.demo.conftest import FPS, NUM_FRAMES, variable_rate
from tests.tiny_detector import noise

GREY = np.full((48, 64, 3), 128, np.uint8)


def test_frames_come_in_order(clip):
    with open_video(clip) as video:
        assert video.fps == FPS
        assert video.num_frames == NUM_FRAMES
        frames = list(video.frames)
    means = [float(frame.image.mean()) for frame in frames]
    assert [frame.end_s * FPS for frame in frames] == pytest.approx([1, 2, 3, 4, 5])
    assert (np.diff(means) > 30).all()


def test_written_video_has_the_rate_and_length(tmp_path):
    with video_writer(tmp_path / "out.mp4", fps=12.5) as write:
        for number in range(4):
            write(GREY, (number + 1) / 12.5)
    with open_video(tmp_path / "out.mp4") as video:
        assert video.fps == pytest.approx(12.5)
        frames = list(video.frames)
    assert len(frames) == 4
    assert frames[0].image.shape == (48, 64, 3)


def ends_s(clip, monkeypatch, times_ms, fps=10.0, count=0):
    with monkeypatch.context() as patch:
        patch.setattr("cv2.VideoCapture", variable_rate(times_ms, fps, count))
        with open_video(clip) as video:
            return [frame.end_s for frame in video.frames]


def test_frames_last_until_the_next_one(clip, monkeypatch, caplog):
    assert ends_s(clip, monkeypatch, [40, 73, 540, 560, 3040], count=91) == pytest.approx(
        [0.033, 0.5, 0.52, 3.0, 9.1]  # from the first frame on; the last to the end of the file
    )
    assert ends_s(clip, monkeypatch, [0, 500, 1000], count=3)[-1] == pytest.approx(1.1)
    assert caplog.text == ""


@pytest.mark.parametrize("times_ms", [[0, 0, 0], [0, 9e9, 1e10], [0, -100, -200]])
def test_without_useful_times_the_rate_counts(clip, monkeypatch, times_ms):
    assert ends_s(clip, monkeypatch, times_ms) == pytest.approx([0.1, 0.2, 0.3])


def test_a_constant_rate_that_ends_early_is_warned_of(clip, monkeypatch, caplog):
    assert ends_s(clip, monkeypatch, [0, 100, 200], count=9) == pytest.approx([0.1, 0.2, 0.3])
    assert "clip.avi ends after 3 frames; its header says 9, so it may be cut off" in caplog.text


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
def test_frames_are_repeated_or_left_out_to_keep_their_times(tmp_path, ends, written):
    with video_writer(tmp_path / "out.mp4", fps=10) as write:
        for number, end_s in enumerate(ends):
            write(np.full((48, 64, 3), 60 * number, np.uint8), end_s)
    with open_video(tmp_path / "out.mp4") as video:
        found = [round(float(frame.image.mean()) / 60) for frame in video.frames]
    assert found == written


@pytest.fixture
def small_disk():
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("small_disk")
def test_a_disk_that_cannot_take_a_video_is_told(tmp_path):
    def write_large_video():
        with video_writer(tmp_path / "out.mp4", fps=10) as write:
            for number in range(40):
                write(noise(480, 640, seed=number), number / 10 + 0.1)

    with pytest.raises(InputError, match=r"cannot write .*out\.mp4: file too large"):
        write_large_video()
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_no_video(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="it is no file"), open_video(tmp_path / "a.mp4"):
        pass


def test_failed_recording_leaves_no_file(tmp_path):
    def record_and_fail():
        with video_writer(tmp_path / "out.mp4", fps=12) as write:
            write(GREY, 0.1)
            raise KeyError

    with pytest.raises(KeyError):
        record_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_unreadable_videos_are_named(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with (
        pytest.raises(InputError, match=r"cannot read the video '.*text.mp4'"),
        open_video(tmp_path / "text.mp4"),
    ):
        pass
    with pytest.raises(InputError, match="cannot read camera 99"), open_video(99):
        pass
