import pytest

from detic.demo import detection_run
from detic.demo.destination import plan_destination
from detic.demo.inputs import find_inputs, video_file
from detic.demo.run_videos import run_live, run_videos
from detic.videos import open_video
from tests.detic.clips import FPS, NUM_FRAMES, variable_rate


def test_video_is_drawn_frame_by_frame(make_run, clip, tmp_path):
    files = find_inputs([str(clip)]).files
    destination = plan_destination(str(tmp_path / "out"), files, overwrite=False)
    run = make_run(destination=destination, batch_size=2)
    run_videos(run, files, first_id=1)
    with open_video(tmp_path / "out" / "clip.mp4") as video:
        assert video.fps == FPS
        assert len(list(video.frames)) == NUM_FRAMES
    assert run.detector.batch_sizes == [2, 2, 1]
    assert run.tally.num_read == 1


def test_video_without_a_suffix_is_read(make_run, clip):
    run = make_run()
    run_videos(run, [video_file(str(clip.rename(clip.with_suffix(""))))], first_id=1)
    assert run.tally.num_read == 1
    assert run.tally.objects == {"cat": NUM_FRAMES}


def test_frames_are_records_with_numbers(make_run, clip):
    records = []
    run = make_run(sinks=[lambda image, found: records.append(image)])
    run_videos(run, find_inputs([str(clip)]).files, first_id=10)
    assert [r.frame for r in records] == [1, 2, 3, 4, 5]
    assert [r.image_id for r in records] == [10, 11, 12, 13, 14]
    assert records[2].stem == "clip_000003"
    assert records[2].file_name == clip.as_posix()


def test_unreadable_videos_are_noted(make_run, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    run = make_run()
    run_videos(run, find_inputs([str(tmp_path)]).files, first_id=1)
    assert "cannot read the video" in run.tally.unreadable[0]
    assert run.tally.num_read == 0


def test_existing_drawing_of_a_video_is_kept(make_run, clip, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "clip.mp4").write_text("mine")
    files = find_inputs([str(clip)]).files
    run = make_run(destination=plan_destination(str(out), files, overwrite=False))
    run_videos(run, files, first_id=1)
    assert (out / "clip.mp4").read_text() == "mine"
    assert run.tally.num_kept == 1


@pytest.mark.parametrize("keys", [2, 4])
def test_camera_is_recorded_until_the_user_quits(make_run, clip, tmp_path, monkeypatch, keys):
    presses = iter([True] * (keys - 1) + [False])
    monkeypatch.setattr(detection_run, "show", lambda image, wait_ms: next(presses))
    with open_video(clip) as video:
        run_live(make_run(has_window=True), video, tmp_path / "rec.mp4")
    with open_video(tmp_path / "rec.mp4") as video:
        assert len(list(video.frames)) == keys


def test_ctrl_c_ends_a_recording_in_good_order(make_run, clip, tmp_path):
    def interrupt(image, found):
        if image.frame == 3:
            raise KeyboardInterrupt

    with open_video(clip) as video:
        run_live(make_run(sinks=[interrupt]), video, tmp_path / "rec.mp4")
    with open_video(tmp_path / "rec.mp4") as video:
        assert len(list(video.frames)) == 2


def test_drawing_of_a_variable_rate_keeps_the_times(make_run, clip, tmp_path, monkeypatch):
    times_ms = [0, 33, 500, 520, 2000]
    monkeypatch.setattr("cv2.VideoCapture", variable_rate(times_ms, fps=10, count=25))
    files = find_inputs([str(clip)]).files
    run = make_run(destination=plan_destination(str(tmp_path / "out"), files, overwrite=False))
    run_videos(run, files, first_id=1)
    monkeypatch.undo()
    assert run.tally.objects == {"cat": NUM_FRAMES}
    with open_video(tmp_path / "out" / "clip.mp4") as video:
        assert list(video.frames)[-1].end_s == pytest.approx(2.5, abs=0.04)


def test_records_of_a_stream_name_its_address(make_run, clip):
    records = []
    run = make_run(sinks=[lambda image, found: records.append(image)])
    with open_video(clip) as video:
        run_live(run, video, None, address="rtsp://camera/1")
    assert records[1].file_name == "rtsp://camera/1"
    assert records[1].stem == "stream_000002"
