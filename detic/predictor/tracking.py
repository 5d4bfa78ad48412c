"""Objects followed from frame to frame by the package ``trackers``.

Shapes: N detections, H x W image.
"""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from detic.detections import Detections
from detic.errors import InputError, unknown_choice

if TYPE_CHECKING:
    import supervision

    from detic.videos import Video

NOT_CONFIRMED = -1  # the id of an object that was not followed over two frames yet
DEFAULT_TRACKER = "bytetrack"
# How long an object may be out of sight and keep its id: the longer of the two
_LOST_S = 1.0
_LOST_FRAMES = 10
_BUFFER_RATE = 30  # frames a second that ``lost_track_buffer`` counts in
# The scores that BoT-SORT's thresholds on overlap times score are made for
_BOTSORT_SCORE = 0.6

TrackId = int
Class = tuple[int, str, str]  # label, name, parent or ""


class BoxTracker(Protocol):
    """A tracker of the package."""

    def update(
        self,
        detections: "supervision.Detections",
        frame: np.ndarray | None = None,
        timestamp: float | None = None,
    ) -> "supervision.Detections": ...


@dataclass(frozen=True)
class Follower:
    """How a tracker of the package is made."""

    class_name: str
    sees_images: bool  # it makes up for motion of the camera
    thresholds: Callable[[float], dict[str, float]]  # of the detector's lowest score


def _bytetrack_thresholds(score: float) -> dict[str, float]:
    return {"track_activation_threshold": score, "high_conf_det_threshold": score}


def _botsort_thresholds(score: float) -> dict[str, float]:
    """Return thresholds for scores; those on overlap times score shrink with it."""
    share = min(1.0, score / _BOTSORT_SCORE)
    return _bytetrack_thresholds(score) | {
        "minimum_iou_threshold_first_assoc": 0.2 * share,
        "minimum_iou_threshold_unconfirmed_assoc": 0.3 * share,
    }


TRACKERS = {
    "bytetrack": Follower("ByteTrackTracker", False, _bytetrack_thresholds),
    "botsort": Follower("BoTSORTTracker", True, _botsort_thresholds),
}


def tracker_maker(
    track: bool | str,
) -> "Callable[[float, Video], ObjectTracker] | None":
    """Return a function from the detector's lowest score and a video to a tracker of its objects.

    All that the detector reports is tracked.

    Args:
        track: a key of ``TRACKERS``; True: the default one; False: none, which gives None.

    Raises:
        InputError: there is no such tracker, or the package is missing or does not have it.
    """
    if track is False:
        return None
    name = DEFAULT_TRACKER if track is True else track
    if name not in TRACKERS:
        raise unknown_choice("tracker", name, TRACKERS)
    follower = TRACKERS[name]
    make = _tracker_class(follower.class_name, name)

    def tracker(lowest_score: float, video: "Video") -> ObjectTracker:
        lost_s = max(_LOST_S, _LOST_FRAMES / video.fps)
        box_tracker = make(
            frame_rate=video.fps,
            lost_track_buffer=math.ceil(lost_s * _BUFFER_RATE),
            **follower.thresholds(lowest_score),
        )
        # Live, a slow detector misses many frames: by the clock each object would be lost at once.
        step_s = 1 / video.fps if video.is_live else None
        return ObjectTracker(
            box_tracker, sees_images=follower.sees_images, lost_s=lost_s, step_s=step_s
        )

    return tracker


def _tracker_class(class_name: str, name: str) -> Callable[..., BoxTracker]:
    try:
        import trackers
    except ImportError as error:
        raise InputError(
            "tracking needs the package trackers; install it with `pip install trackers`"
        ) from error
    if not hasattr(trackers, class_name):
        raise InputError(
            f"the installed trackers has no {class_name}, which {name} is; install a newer one "
            "with `pip install -U trackers`"
        )
    return getattr(trackers, class_name)


@dataclass
class _Track:
    """What an object was taken for so far."""

    last_s: float = 0.0
    votes: defaultdict[Class, float] = field(
        default_factory=lambda: defaultdict(float)
    )  # sums of scores


class ObjectTracker:
    """Gives the objects of a video ids, frame after frame.

    Args:
        box_tracker: of the package; boxes of any class continue its tracks.
        sees_images: whether it is given the images.
        lost_s: seconds without a sight after which a track is over.
        step_s: from each frame to the next, whatever their times are; None: as these say.
    """

    def __init__(
        self,
        box_tracker: BoxTracker,
        *,
        sees_images: bool,
        lost_s: float,
        step_s: float | None = None,
    ):
        self._box_tracker = box_tracker
        self._sees_images = sees_images
        self._lost_s = lost_s
        self._step_s = step_s
        self._now_s = 0.0
        self._tracks: dict[TrackId, _Track] = {}

    def update(self, detections: Detections, image_bgr: np.ndarray, time_s: float) -> Detections:
        """Return the detections of the next frame with ids.

        A track has one class: the one that its detections voted for until now, each with its score.

        Args:
            image_bgr: (H, W, 3) uint8.
            time_s: of the frame, later than that of the one before.
        """
        self._now_s = time_s if self._step_s is None else self._now_s + self._step_s
        ids = self._ids(detections, image_bgr)
        self._vote(detections, ids)
        labels, names = detections.labels.copy(), detections.names.astype(object)
        parents = None if detections.parents is None else detections.parents.astype(object)
        for row, track_id in enumerate(ids.tolist()):
            if track_id == NOT_CONFIRMED:
                continue
            votes = self._tracks[track_id].votes
            label, name, parent = max(votes, key=votes.__getitem__)
            labels[row], names[row] = label, name
            if parents is not None:
                parents[row] = parent
        return replace(
            detections,
            labels=labels,
            names=names.astype(str),
            parents=None if parents is None else parents.astype(str),
            track_ids=ids,
        )

    def _ids(self, detections: Detections, image_bgr: np.ndarray) -> np.ndarray:
        """Return the id of each detection (N,) int64, from 1."""
        import supervision

        boxes = supervision.Detections(
            xyxy=detections.boxes_xyxy,
            confidence=detections.scores,
            data={"row": np.arange(len(detections))},
        )
        frame = image_bgr if self._sees_images else None
        tracked = self._box_tracker.update(boxes, frame=frame, timestamp=self._now_s)
        ids = np.full(len(detections), NOT_CONFIRMED, np.int64)
        if len(tracked):  # in an order of its own, and maybe fewer
            numbers = np.asarray(tracked.tracker_id)  # from 0
            ids[tracked.data["row"]] = np.where(numbers < 0, NOT_CONFIRMED, numbers + 1)
        return ids

    def _vote(self, detections: Detections, ids: np.ndarray) -> None:
        for row, track_id in enumerate(ids.tolist()):
            if track_id == NOT_CONFIRMED:
                continue
            track = self._tracks.setdefault(track_id, _Track())
            track.last_s = self._now_s
            name, parent = str(detections.names[row]), detections.parent(row) or ""
            chosen = int(detections.labels[row]), name, parent
            track.votes[chosen] += float(detections.scores[row])
        # Twice as long as a track can be continued; endless streams need no more memory so.
        oldest_s = self._now_s - 2 * self._lost_s
        self._tracks = {id: track for id, track in self._tracks.items() if track.last_s >= oldest_s}
