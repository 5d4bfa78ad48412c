"""Detecting in video files and cameras."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from detic.demo.detection_run import DetectionRun
from detic.demo.inputs import InputFile
from detic.detections import Detections
from detic.errors import InputError
from detic.progress import counter
from detic.rendering import Trails
from detic.videos import Frame, Video, open_video, video_writer

logger = logging.getLogger(__name__)

# Takes a drawn frame and the seconds at which it appears and ends
Put = Callable[[np.ndarray, float, float], None]


def run_videos(run: DetectionRun, files: Sequence[InputFile], first_id: int) -> None:
    """Detect in the frames of videos; those that cannot be read are noted and left out.

    Args:
        first_id: image id of the first frame of the first video; the others count on.
    """
    next_id = first_id
    for file in files:
        destination = run.options.destination
        is_kept = destination is not None and destination.keeps(file)
        run.tally.num_kept += is_kept
        if is_kept and not run.options.sinks:
            continue
        path = None if destination is None or is_kept else destination.path_of(file)
        with ExitStack() as stack:
            try:
                video = stack.enter_context(open_video(file.address or file.path))
            except InputError as error:
                run.tally.unreadable.append(str(error))
                continue
            put = stack.enter_context(_drawing(path, video.fps))
            next_id += _run_frames(run, video, file, put, next_id)
            run.tally.num_read += 1


def run_live(
    run: DetectionRun, video: Video, path: Path | None, address: str | None = None
) -> None:
    """Detect in the frames of a camera or stream until it ends or the user quits by q, Esc or Ctrl-C.

    Args:
        path: the video file to record drawings in.
        address: of a stream, which results name.
    """
    name = Path("camera" if address is None else "stream")
    file = InputFile(name, name, is_video=True, address=address)
    run.tally.num_read += 1
    with _drawing(path, video.fps) as put:
        try:
            _run_frames(run, video, file, put, 1)
        except KeyboardInterrupt:
            logger.info("stopped by Ctrl-C")


@contextmanager
def _drawing(path: Path | None, fps: float) -> Iterator[Put | None]:
    """Yield a function that records drawn frames in a file, None without a file."""
    if path is None:
        yield None
    else:
        with video_writer(path, fps) as put:
            yield put


def _run_frames(
    run: DetectionRun, video: Video, file: InputFile, put: Put | None, first_id: int
) -> int:
    """Detect in frames; return how many there were."""
    number, trails = 0, Trails()
    make_tracker = run.options.make_tracker
    tracker = None if make_tracker is None else make_tracker(video)
    with counter(file.path.name, total=video.num_frames, unit="frame") as bar:
        for frames in run.batches(video.frames):
            found = run.detect([frame.image for frame in frames])
            for frame, detections in zip(frames, found, strict=True):
                number += 1
                if tracker is not None:
                    detections = tracker.update(detections, frame.image, frame.start_s)
                run.record(file.record(first_id + number - 1, frame=number), detections)
                if put is not None or run.options.has_window:
                    _draw(run, frame, detections, trails, put)
            bar.update(len(frames))
    return number


def _draw(
    run: DetectionRun, frame: Frame, detections: Detections, trails: Trails, put: Put | None
) -> None:
    drawn = run.draw(frame.image, detections)
    trails.paint(drawn, detections, run.options.style)
    if put is not None:
        put(drawn, frame.start_s, frame.end_s)
    run.show(drawn, wait_ms=1)
