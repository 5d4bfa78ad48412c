"""MOT: a text file per video, a line per object and frame, as the MOT Challenge has its results.

A line is ``frame,id,left,top,width,height,score,class,-1,-1``. Frames and ids count from 1; the class is the
id of a category, where the challenge itself has -1.

Source: Milan et al., MOT16: A Benchmark for Multi-Object Tracking, https://arxiv.org/abs/1603.00831.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from detic.detections import Detections
from detic.files import unfinished_text
from detic.outputs.writer import Category, ImagePaths, ImageRecord, Write
from detic.result_rows import BOX_DIGITS, rounded_score


@contextmanager
def write_mot(path: Path, categories: Sequence[Category]) -> Iterator[Write]:
    """Yield a function that adds the tracked objects of a frame to ``<video>.txt`` below ``path``.

    Objects whose track is not confirmed are left out, and so are images of no video.
    """
    paths = video_paths(path)
    files: dict[Path, IO[str]] = {}
    with ExitStack() as stack:

        def write(image: ImageRecord, detections: Detections) -> None:
            if image.frame is None:
                return
            of_video = paths.path(image)
            if of_video not in files:
                files[of_video] = stack.enter_context(unfinished_text(of_video))
            for line in track_lines(image.frame, detections, categories):
                files[of_video].write(f"{line}\n")

        yield write


class VideoPaths(ImagePaths):
    """File names of videos; two videos never share one."""

    def path(self, image: ImageRecord) -> Path:
        """Return the file of the video that a frame is of; see ``ImagePaths.path``."""
        if image.frame is None:  # nothing is written of it
            return self.folder / f"{image.stem}{self.suffix}"
        return super().path(replace(image, stem=image.stem.removesuffix(f"_{image.frame:06d}")))


def video_paths(folder: Path) -> ImagePaths:
    """Return the names of the files of videos."""
    return VideoPaths(folder, ".txt")


def track_lines(
    frame: int, detections: Detections, categories: Sequence[Category]
) -> Iterator[str]:
    """Yield a line for each object of a frame whose track is confirmed."""
    if detections.track_ids is None:
        return
    boxes = detections.boxes_xyxy.astype(float)
    boxes[:, 2:] -= boxes[:, :2]
    for i, track_id in enumerate(detections.track_ids.tolist()):
        if track_id >= 0:
            box = (round(value, BOX_DIGITS) for value in boxes[i].tolist())
            score = rounded_score(detections.scores[i])
            category = categories[int(detections.labels[i])].id
            yield ",".join(map(str, (frame, track_id, *box, score, category, -1, -1)))
