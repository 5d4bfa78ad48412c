"""A folder in which the processes of an evaluation write down their detections as they come.

Each process appends to a file of its own: a line for each detection of an image, then a line that
says the image is finished, with a checksum of all these lines. What follows the last such line, left
by an interrupted process, does not count, nor does an image whose checksum is wrong. So memory stays
flat, processes meet in the file system (which they have to share), and a run that was stopped can go
on.
"""

import json
import logging
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.utils import comm

from detic.datasets.annotation_file import read_json
from detic.errors import InputError
from detic.evaluation.results_file import ResultsFile
from detic.files import unfinished_path, write_json, writing
from detic.result_rows import ImageId, ResultRows

FINISHED = b'{"finished_image": '  # how the line starts that ends the lines of an image
CHECKSUM = b', "crc32": '  # the last field of that line; of all bytes before, but for this field
DESCRIPTION = "run.json"

logger = logging.getLogger(__name__)


class PredictionLog:
    """The detections of one pass over a dataset, on disk.

    Args:
        folder: of this log alone; made when the pass starts.
        run: what the detections depend on. A resumed run must have the same.
        resume: whether to keep the detections that an earlier run left.

    Raises:
        InputError: the run to resume was another one.
    """

    def __init__(self, folder: str | Path, *, run: dict, resume: bool = False):
        self.folder = Path(folder)
        self._run = run
        self._resume = resume and self._is_same_run()
        self._path = self.folder / f"rank{comm.get_rank()}.jsonl"

    def finished_image_ids(self) -> set[ImageId]:
        """Return the images that need not be predicted again.

        Every process has to ask before the pass starts, so that all get the same answer.
        """
        if not self._resume:
            return set()
        return {entry.image_id for path in self._paths() for entry in _told_of_damage(path)}

    def start(self) -> None:
        """Begin a pass. All processes call it; only the first pass of a log resumes."""
        comm.synchronize()  # every process knows which images are finished
        if comm.is_main_process():
            self._prepare_folder()
        comm.synchronize()
        self._path.touch()
        ends = (image.end for image in finished_images(self._path) if image is not None)
        os.truncate(self._path, max(ends, default=0))
        self._resume = False

    def append(self, rows: ResultRows) -> None:
        """Write down the detections of one image.

        Raises:
            InputError: the disk cannot take it.
        """
        summary = {
            "finished_image": rows.image_id,
            "category_ids": rows.category_ids,
            "scores": rows.scores,
            "mask_areas": rows.mask_areas,
        }
        lines = "\n".join([*map(json.dumps, rows), json.dumps(summary)]).encode("ascii")
        end = CHECKSUM + b"%d}\n" % zlib.crc32(lines)
        with writing(self._path), open(self._path, "ab") as file:
            file.write(lines.removesuffix(b"}") + end)

    def finish(self, path: str | Path) -> ResultsFile | None:
        """End a pass: gather all detections, by image id, in one file of COCO's result format.

        All processes call it.

        Returns:
            The file in the main process, None in the others.
        """
        comm.synchronize()
        if not comm.is_main_process():
            return None
        entries: dict[ImageId, FinishedImage] = {}
        for source in self._paths():
            for entry in filter(None, finished_images(source)):
                entries.setdefault(entry.image_id, entry)
        ordered = [entries[image_id] for image_id in sorted(entries)]
        _concatenate(ordered, Path(path))
        logger.info("%d images have detections in %s", len(ordered), path)
        return _results_file(ordered, Path(path))

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("rank*.jsonl"))

    def _prepare_folder(self) -> None:
        if not self._resume and self.folder.exists():
            shutil.rmtree(self.folder)
        write_json(self.folder / DESCRIPTION, self._run)

    def _is_same_run(self) -> bool:
        """Return whether there is an earlier run, which must have been of the same kind."""
        path = self.folder / DESCRIPTION
        if not path.is_file():
            return False
        earlier: Any = read_json(path)
        if not isinstance(earlier, dict):
            raise InputError(f"{path} is damaged; start over without resuming")
        for name, value in self._run.items():
            if earlier.get(name) != value:
                raise InputError(
                    f"cannot resume from {self.folder}: its detections were made with {name} "
                    f"{earlier.get(name)!r}, now it is {value!r}; use another output folder, or "
                    "start over without resuming"
                )
        return True


@dataclass(frozen=True)
class FinishedImage:
    """Where the lines of an image are, and the columns of its detections."""

    image_id: ImageId
    path: Path
    start: int  # bytes start to rows_end are one line for each detection
    rows_end: int
    end: int  # after the line that says the image is finished
    category_ids: np.ndarray  # (N,)
    scores: np.ndarray  # (N,)
    mask_areas: np.ndarray | None  # (N,)


def finished_images(path: Path) -> Iterator[FinishedImage | None]:
    """Yield the images that a process has finished, in its order; None for one that is damaged."""
    start = end = checksum = 0
    with open(path, "rb") as file:
        for line in file:
            rows_end, end = end, end + len(line)
            if not line.startswith(FINISHED) or not line.endswith(b"\n"):
                checksum = zlib.crc32(line, checksum)
                continue
            content, _, expected = line.removesuffix(b"}\n").rpartition(CHECKSUM)
            if expected == b"%d" % zlib.crc32(content + b"}", checksum):
                yield _finished_image(json.loads(line), path, (start, rows_end, end))
            else:
                yield None
            start, checksum = end, 0


def _finished_image(summary: dict, path: Path, places: tuple[int, int, int]) -> FinishedImage:
    start, rows_end, end = places
    areas = summary["mask_areas"]
    return FinishedImage(
        image_id=summary["finished_image"],
        path=path,
        start=start,
        rows_end=rows_end,
        end=end,
        category_ids=np.array(summary["category_ids"], dtype=np.int64),
        scores=np.array(summary["scores"], dtype=np.float64),
        mask_areas=None if areas is None else np.array(areas, dtype=np.float64),
    )


def _told_of_damage(path: Path) -> Iterator[FinishedImage]:
    """Yield the whole images of a file, then warn of the others."""
    num_damaged = 0
    for image in finished_images(path):
        if image is None:
            num_damaged += 1
        else:
            yield image
    if num_damaged:
        logger.warning(
            "%s is damaged in %d places; the images there are predicted again", path, num_damaged
        )


def _concatenate(entries: list[FinishedImage], path: Path) -> None:
    """Write the detections of images as one json list, a detection a line."""
    with unfinished_path(path) as unfinished, ExitStack() as stack:
        paths = {entry.path for entry in entries}
        sources = {source: stack.enter_context(open(source, "rb")) for source in paths}
        target = stack.enter_context(open(unfinished, "wb"))
        target.write(b"[\n")
        separator = b""
        for entry in entries:
            sources[entry.path].seek(entry.start)
            rows = sources[entry.path].read(entry.rows_end - entry.start)
            if rows:
                target.write(separator + rows.rstrip(b"\n").replace(b"\n", b",\n"))
                separator = b",\n"
        target.write(b"\n]\n")


def _results_file(entries: list[FinishedImage], path: Path) -> ResultsFile:
    counts = [len(entry.scores) for entry in entries]
    areas = [entry.mask_areas for entry in entries if entry.mask_areas is not None]
    return ResultsFile(
        path=path,
        image_ids=[entry.image_id for entry in entries],
        image_indices=np.repeat(np.arange(len(entries)), counts),
        category_ids=_joined([entry.category_ids for entry in entries], np.int64),
        scores=_joined([entry.scores for entry in entries], np.float64),
        mask_areas=_joined(areas, np.float64) if len(areas) == len(entries) else None,
    )


def _joined(columns: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(columns) if columns else np.zeros(0, dtype)
