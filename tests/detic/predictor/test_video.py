import numpy as np
import pytest

from detic.errors import InputError
from detic.predictor.video import FrameResult, detect_in_video
from detic.vocabulary import ClassEntry, Vocabulary
from tests.detic.clips import FPS, NUM_FRAMES


class CountingDetector:
    """Finds the number of frames it has seen; remembers how many it was given at once."""

    def __init__(self):
        self.batch_sizes = []

    def __call__(self, frames):
        start = sum(self.batch_sizes)
        self.batch_sizes.append(len(frames))
        return list(range(start, start + len(frames)))


class MarkingTracker:
    def update(self, detections, image_bgr, time_s):
        return (detections, image_bgr.shape, round(time_s * FPS))


def test_frames_have_their_times_and_results(clip):
    detect = CountingDetector()
    results = list(detect_in_video(detect, clip, batch_size=2))
    assert detect.batch_sizes == [2, 2, 1]
    assert [found for _, _, found in results] == [0, 1, 2, 3, 4]
    assert [result.time_s * FPS for result in results] == pytest.approx([0, 1, 2, 3, 4])
    assert (np.diff([result.frame.mean() for result in results]) > 30).all()


def test_frames_are_computed_as_they_are_asked_for(clip):
    detect = CountingDetector()
    results = detect_in_video(detect, clip, batch_size=2)
    assert detect.batch_sizes == []
    assert isinstance(next(results), FrameResult)
    assert detect.batch_sizes == [2]


def test_each_video_has_a_tracker_of_its_own(clip):
    rates = []

    def make_tracker(video):
        rates.append(video.fps)
        return MarkingTracker()

    detect = CountingDetector()
    results = [found for _, _, found in detect_in_video(detect, clip, make_tracker=make_tracker)]
    assert rates == [FPS]
    assert results == [(number, (48, 64, 3), number) for number in range(NUM_FRAMES)]


def test_the_detector_goes_through_a_video(detector, clip):
    results = list(detector.video(str(clip), batch_size=3, masks=False))
    assert len(results) == NUM_FRAMES
    for frame, _, found in results:
        alone = detector(frame, masks=False)
        assert found.masks is None
        np.testing.assert_allclose(found.boxes_xyxy, alone.boxes_xyxy, atol=1e-3)


def test_mistakes_are_told_at_the_call_or_at_the_first_frame(detector, tmp_path):
    with pytest.raises(InputError, match="unknown tracker 'sort'"):
        detector.video("clip.mp4", track="sort")
    with pytest.raises(InputError, match=r"cannot read the video '.*clip\.mp4'"):
        next(detector.video(tmp_path / "clip.mp4"))


def test_tracked_results_have_ids(detector, clip):
    pytest.importorskip("trackers", reason="trackers is not installed")
    results = [found for _, _, found in detector.video(clip, track=True, masks=False)]
    assert set(results[0].track_ids.tolist()) == {-1}
    assert max(results[-1].track_ids) >= 1


def test_what_a_video_is_looked_for_counts_for_it_alone(detector, clip):
    options = {"vocabulary": ["cup"], "threshold": 0.2, "max_detections": 3}
    results = list(detector.video(clip, masks=False, **options))
    assert {name for _, _, found in results for name in found.names} <= {"cup"}
    assert max(len(found) for _, _, found in results) <= 3
    assert min((found.scores.min(initial=1) for _, _, found in results)) >= 0.2
    assert detector.vocabulary.names == ("cat", "dog", "café")


def test_trackers_follow_the_lowest_threshold_of_any_class(detector):
    entries = [ClassEntry("cat", score_threshold=0.125), ClassEntry("dog")]
    prepared = detector.prepare_vocabulary(Vocabulary(tuple(entries)))
    assert prepared.lowest_score(0.5) == 0.125
    assert prepared.lowest_score(0.0625) == 0.0625
