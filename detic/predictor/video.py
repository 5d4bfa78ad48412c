"""Videos, cameras and streams through the detector."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from detic.detections import Detections
from detic.predictor.tracking import ObjectTracker

if TYPE_CHECKING:  # they load OpenCV, which images need not
    from detic.videos import Video
    from detic.videos.reader import Source


class FrameResult(NamedTuple):
    """A frame of a video and what was found in it."""

    frame: np.ndarray  # (H, W, 3) uint8 BGR
    time_s: float  # at which it appears, after the first frame
    detections: Detections


def detect_in_video(
    detect: Callable[[list[np.ndarray]], list[Detections]],
    source: "Source",
    *,
    make_tracker: "Callable[[Video], ObjectTracker] | None" = None,
    batch_size: int = 1,
    reconnect_s: float = 60.0,
) -> Iterator[FrameResult]:
    """Yield the frames of a video with what is found in them, as they are asked for.

    No more than ``batch_size`` frames are held at a time.

    Args:
        detect: returns the detections of each image.
        source: see ``detic.videos.open_video``.
        make_tracker: gives the objects ids.
        batch_size: frames that go through the network at once.
        reconnect_s: how long a stream that sends nothing more is asked again.

    Raises:
        InputError: the video cannot be read.
    """
    from detic.videos import Reconnection, open_video

    with open_video(source, Reconnection(reconnect_s)) as video:
        tracker = None if make_tracker is None else make_tracker(video)
        while frames := list(islice(video.frames, batch_size)):
            found = detect([frame.image for frame in frames])
            for frame, detections in zip(frames, found, strict=True):
                if tracker is not None:
                    detections = tracker.update(detections, frame.image, frame.start_s)
                yield FrameResult(frame.image, frame.start_s, detections)
