"""Objects that keep their ids, found by a detector that is told where they are."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from detic.detections import Detections
from detic.errors import InputError
from detic.predictor.tracking import NOT_CONFIRMED, TRACKERS, ObjectTracker, tracker_maker
from detic.videos import Video

FPS = 25.0
NUM_FRAMES = 60
GAP = range(28, 33)  # the frames around the crossing, in which nothing is found
IMAGE = np.zeros((240, 320, 3), np.uint8)


def found(centers, names=("red star", "blue mug"), scores=(0.5, 0.4)):
    """Return detections of objects of 40 x 40 pixels."""
    centers = np.array(centers, np.float32).reshape(-1, 2)
    count = len(centers)
    return Detections(
        boxes_xyxy=np.hstack((centers - 20, centers + 20)),
        scores=np.array(scores[:count], np.float32),
        labels=np.arange(count),
        names=np.array(names[:count], dtype=str),
        image_size_hw=(240, 320),
    )


def crossing(number):
    """Return what is found in a frame: two objects that move towards each other and apart."""
    if number in GAP:
        return found([])
    return found([(40 + 4 * number, 100), (280 - 4 * number, 120)])


def video(is_live=False):
    return Video(FPS, None, iter(()), is_live)


def make(name="bytetrack", score_threshold=0.3, **options):
    pytest.importorskip("trackers", reason="trackers is not installed")
    return tracker_maker(name)(score_threshold, video(**options))


@pytest.mark.parametrize("name", TRACKERS)
@pytest.mark.parametrize("score", [0.0625, 0.375, 0.875])
def test_two_crossing_objects_keep_their_ids_over_a_gap(name, score):
    tracker = make(name, score_threshold=score)
    ids = {"red star": set(), "blue mug": set()}
    for number in range(NUM_FRAMES):
        frame = crossing(number)
        frame.scores[:] = score
        tracked = tracker.update(frame, IMAGE, number / FPS)
        assert tracked.names.tolist() == frame.names.tolist()
        if number >= 2 and number not in GAP:
            assert NOT_CONFIRMED not in tracked.track_ids
            for of_name, track_id in zip(tracked.names, tracked.track_ids, strict=True):
                ids[of_name].add(int(track_id))
    assert sorted(map(len, ids.values())) == [1, 1]
    assert ids["red star"] != ids["blue mug"]


def test_objects_of_one_frame_are_not_confirmed():
    tracker = make()
    tracker.update(found([]), IMAGE, 0.0)
    assert tracker.update(found([(50, 50)]), IMAGE, 0.04).track_ids.tolist() == [NOT_CONFIRMED]
    assert tracker.update(found([]), IMAGE, 0.08).track_ids.tolist() == []


def test_live_frames_count_as_equally_far_apart():
    tracker = make(is_live=True)
    ids = [tracker.update(found([(50, 50)]), IMAGE, 5.0 * n).track_ids[0] for n in range(4)]
    assert ids[1:] == [ids[1]] * 3
    assert ids[1] != NOT_CONFIRMED


class StubTracker:
    """Gives ids in the order of the boxes from right to left."""

    def __init__(self):
        self.timestamps = []

    def update(self, detections, frame=None, timestamp=None):
        self.timestamps.append(timestamp)
        turned = detections[np.argsort(-detections.xyxy[:, 0])]
        turned.tracker_id = np.arange(len(turned))
        return turned


@pytest.fixture
def stub():
    pytest.importorskip("supervision", reason="supervision is not installed")
    return ObjectTracker(StubTracker(), sees_images=False, lost_s=1.0)


def test_ids_belong_to_the_rows_they_were_given_for(stub):
    tracked = stub.update(found([(50, 50), (250, 50)]), IMAGE, 0.0)
    assert tracked.track_ids.tolist() == [2, 1]
    assert tracked.names.tolist() == ["red star", "blue mug"]
    assert tracked[0].track_ids.tolist() == [2]
    assert tracked.to_supervision().tracker_id.tolist() == [2, 1]


def test_the_class_of_a_track_is_the_one_with_most_score(stub):
    rounds = [("mug", 0.5), ("star", 0.3), ("star", 0.3), ("mug", 0.2)]  # .5, .5:.3, .5:.6, .7:.6
    voted = []
    for number, (name, score) in enumerate(rounds):
        one = found([(50, 50)], names=(name,), scores=(score,))
        tracked = stub.update(one, IMAGE, number / FPS)
        voted.append(str(tracked.names[0]))
        assert tracked.scores.tolist() == one.scores.tolist()
    assert voted == ["mug", "mug", "star", "mug"]


def test_tracks_that_are_over_are_forgotten(stub):
    for time_s in (0.0, 10.0):
        stub.update(found([(50, 50), (250, 50)]), IMAGE, time_s)
    stub.update(found([(50, 50)]), IMAGE, 20.0)
    assert list(stub._tracks) == [1]


def test_without_the_package_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(InputError, match=r"needs the package trackers; .*pip install trackers"):
        tracker_maker(True)
    assert tracker_maker(False) is None


def test_trackers_that_the_package_lacks_are_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackers", SimpleNamespace(ByteTrackTracker=object))
    assert tracker_maker("bytetrack") is not None
    with pytest.raises(InputError, match="has no BoTSORTTracker, which botsort is"):
        tracker_maker("botsort")
    with pytest.raises(InputError, match="unknown tracker 'sort'; choose bytetrack or botsort"):
        tracker_maker("sort")
