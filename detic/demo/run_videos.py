"""Detecting in video files and cameras."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from detic.demo.detection_run import DetectionRun
from detic.demo.inputs import InputFile
from detic.demo.video import Video, open_video, video_writer
from detic.errors import InputError
from detic.progress import counter

logger = logging.getLogger(__name__)

_CAMERA = InputFile(Path("camera"), Path("camera"), is_video=True)

Put = Callable[[np.ndarray, float], None]  # takes a drawn frame and the second at which it ends


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


def run_live(run: DetectionRun, video: Video, path: Path | None) -> None:
    """Detect in the frames of a camera until the user quits by q, Esc or Ctrl-C.

    Args:
        path: the video file to record drawings in.
    """
    run.tally.num_read += 1
    with _drawing(path, video.fps) as put:
        try:
            _run_frames(run, video, _CAMERA, put, 1)
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
    number = 0
    with counter(file.path.name, total=video.num_frames, unit="frame") as bar:
        for frames in run.batches(video.frames):
            found = run.detect([frame.image for frame in frames])
            for frame, detections in zip(frames, found, strict=True):
                number += 1
                run.record(file.record(first_id + number - 1, frame=number), detections)
                if put is not None or run.options.has_window:
                    drawn = run.draw(frame.image, detections)
                    if put is not None:
                        put(drawn, frame.end_s)
                    run.show(drawn, wait_ms=1)
            bar.update(len(frames))
    return number
