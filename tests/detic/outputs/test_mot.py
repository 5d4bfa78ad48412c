from dataclasses import replace

import numpy as np
import pytest

from detic.errors import InputError
from detic.outputs import WRITERS, ImageRecord


def frame_record(number, video="clip"):
    return ImageRecord(f"{video}.mp4", number, f"{video}_{number:06d}", frame=number)


@pytest.fixture
def tracked(found):
    """The second of the two objects is not confirmed."""
    return replace(found, track_ids=np.array([3, -1]))


def test_mot_has_a_file_per_video_and_a_line_per_confirmed_object(
    tmp_path, found, tracked, image, categories
):
    with WRITERS["mot"](tmp_path, categories) as write:
        write(image, found)
        write(frame_record(1), found)
        write(frame_record(1, "other"), tracked)
        write(frame_record(2, "other"), replace(tracked, track_ids=np.array([3, 5])))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.txt", "other.txt"]
    assert (tmp_path / "clip.txt").read_text() == ""
    assert (tmp_path / "other.txt").read_text().splitlines() == [
        "1,3,10.0,5.0,30.0,15.0,0.75,2,-1,-1",
        "2,3,10.0,5.0,30.0,15.0,0.75,2,-1,-1",
        "2,5,0.0,20.0,12.0,20.0,0.5,1,-1,-1",
    ]


def test_trackers_reads_mot_files(tmp_path, tracked, categories):
    trackers = pytest.importorskip("trackers", reason="trackers is not installed")
    with WRITERS["mot"](tmp_path, categories) as write:
        write(frame_record(7), tracked)
    read = trackers.load_mot_file(tmp_path / "clip.txt")
    assert read[7].ids.tolist() == [3]
    assert read[7].boxes.tolist() == [[10.0, 5.0, 30.0, 15.0]]
    assert read[7].classes.tolist() == [2]


def test_two_videos_never_share_a_file(tmp_path, tracked, categories):
    with WRITERS["mot"](tmp_path, categories) as write:
        write(replace(frame_record(1, "a"), file_name="a.avi"), tracked)
        with pytest.raises(InputError, match=r"a\.avi and a\.mp4 would both be written"):
            write(frame_record(1, "a"), tracked)
