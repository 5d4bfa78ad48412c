from dataclasses import replace

import pytest

from detic.demo import detection_run as session_module
from detic.demo.destination import plan_destination
from detic.demo.inputs import find_inputs, video_file
from detic.demo.run_videos import run_live, run_videos
from detic.demo.video import open_video
from tests.detic.demo.conftest import FPS, NUM_FRAMES


def test_video_is_drawn_frame_by_frame(make_session, clip, tmp_path):
    files = find_inputs([str(clip)])
    destination = plan_destination(str(tmp_path / "out"), files, overwrite=False)
    session = make_session(destination=destination, batch_size=2)
    run_videos(session, files, first_id=1)
    with open_video(tmp_path / "out" / "clip.mp4") as video:
        assert video.fps == FPS
        assert len(list(video.frames)) == NUM_FRAMES
    assert session.detector.batch_sizes == [2, 2, 1]
    assert session.tally.num_read == 1


def test_video_without_a_suffix_is_read(make_session, clip):
    session = make_session()
    run_videos(session, [video_file(str(clip.rename(clip.with_suffix(""))))], first_id=1)
    assert session.tally.num_read == 1
    assert session.tally.objects == {"cat": NUM_FRAMES}


def test_frames_are_records_with_numbers(make_session, clip):
    records = []
    session = make_session(sinks=[lambda image, found: records.append(image)])
    run_videos(session, find_inputs([str(clip)]), first_id=10)
    assert [r.frame for r in records] == [1, 2, 3, 4, 5]
    assert [r.image_id for r in records] == [10, 11, 12, 13, 14]
    assert records[2].stem == "clip_000003"
    assert records[2].file_name == clip.as_posix()


def test_unreadable_videos_are_noted(make_session, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    session = make_session()
    run_videos(session, find_inputs([str(tmp_path)]), first_id=1)
    assert "cannot read the video" in session.tally.unreadable[0]
    assert session.tally.num_read == 0


def test_existing_drawing_of_a_video_is_kept(make_session, clip, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "clip.mp4").write_text("mine")
    files = find_inputs([str(clip)])
    session = make_session(destination=plan_destination(str(out), files, overwrite=False))
    run_videos(session, files, first_id=1)
    assert (out / "clip.mp4").read_text() == "mine"
    assert session.tally.num_kept == 1


@pytest.mark.parametrize("keys", [2, 4])
def test_camera_is_recorded_until_the_user_quits(make_session, clip, tmp_path, monkeypatch, keys):
    presses = iter([True] * (keys - 1) + [False])
    monkeypatch.setattr(session_module, "show", lambda image, wait_ms: next(presses))
    with open_video(clip) as video:
        run_live(make_session(has_window=True), video, tmp_path / "rec.mp4")
    with open_video(tmp_path / "rec.mp4") as video:
        assert len(list(video.frames)) == keys


def test_ctrl_c_ends_a_recording_in_good_order(make_session, clip, tmp_path):
    def interrupt(image, found):
        if image.frame == 3:
            raise KeyboardInterrupt

    with open_video(clip) as video:
        run_live(make_session(sinks=[interrupt]), video, tmp_path / "rec.mp4")
    with open_video(tmp_path / "rec.mp4") as video:
        assert len(list(video.frames)) == 2


def test_frames_that_cannot_be_read_are_reported(make_session, clip, caplog):
    with open_video(clip) as video:
        run_live(make_session(), replace(video, num_frames=9), None)
    assert "5 of 9 frames could be read" in caplog.text
