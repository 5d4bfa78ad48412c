import os

import numpy as np
import pytest

from detic.errors import InputError
from detic.videos import open_video
from tests.detic.clips import FPS, NUM_FRAMES, variable_rate


def test_frames_come_in_order(clip):
    with open_video(clip) as video:
        assert video.fps == FPS
        assert video.num_frames == NUM_FRAMES
        frames = list(video.frames)
    means = [float(frame.image.mean()) for frame in frames]
    assert [frame.start_s * FPS for frame in frames] == pytest.approx([0, 1, 2, 3, 4])
    assert [frame.end_s * FPS for frame in frames] == pytest.approx([1, 2, 3, 4, 5])
    assert (np.diff(means) > 30).all()


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


def test_a_pipe_is_no_video(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="it is no file"), open_video(tmp_path / "a.mp4"):
        pass


def test_unreadable_videos_are_named(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with (
        pytest.raises(InputError, match=r"cannot read the video '.*text.mp4'"),
        open_video(tmp_path / "text.mp4"),
    ):
        pass
    with pytest.raises(InputError, match="cannot read camera 99"), open_video(99):
        pass
