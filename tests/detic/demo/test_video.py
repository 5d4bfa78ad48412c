import numpy as np
import pytest

from detic.demo.video import open_video, video_writer
from detic.errors import InputError
from tests.detic.demo.conftest import FPS, NUM_FRAMES


def test_frames_come_in_order(clip):
    with open_video(clip) as video:
        assert video.fps == FPS
        assert video.num_frames == NUM_FRAMES
        means = [float(frame.mean()) for frame in video.frames]
    assert len(means) == NUM_FRAMES
    assert (np.diff(means) > 30).all()


def test_written_video_has_the_rate_and_length(tmp_path):
    with video_writer(tmp_path / "out.mp4", fps=12.5) as write:
        for _ in range(4):
            write(np.full((48, 64, 3), 128, np.uint8))
    with open_video(tmp_path / "out.mp4") as video:
        assert video.fps == pytest.approx(12.5)
        frames = list(video.frames)
    assert len(frames) == 4
    assert frames[0].shape == (48, 64, 3)


def test_failed_recording_leaves_no_file(tmp_path):
    def record_and_fail():
        with video_writer(tmp_path / "out.mp4", fps=12) as write:
            write(np.zeros((48, 64, 3), np.uint8))
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
