"""Detecting in image files."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np

from detic.demo.detection_run import DetectionRun
from detic.demo.inputs import InputFile
from detic.detections import Detections
from detic.errors import InputError
from detic.image_sources import load_image
from detic.memory_errors import is_out_of_memory
from detic.predictor.detector import OutOfMemory
from detic.progress import track
from detic.rendering.files import write_image

Numbered = tuple[InputFile, int]  # an image and its image id


def run_images(run: DetectionRun, numbered: Sequence[Numbered]) -> None:
    """Detect in images; those that cannot be read are noted and left out."""
    with track(numbered, unit="image", show=len(numbered) > 1) as bar:
        for batch in run.batches(_readable(run, bar)):
            for (entry, image), detections in _detected(run, batch):
                with _noting_out_of_memory(run, entry[0], image.shape[:2]):
                    _hand_on(run, entry, image, detections)
                    run.tally.num_read += 1


def _detected(
    run: DetectionRun, batch: list[tuple[Numbered, np.ndarray]]
) -> Iterator[tuple[tuple[Numbered, np.ndarray], Detections]]:
    """Yield images with what is detected; one that needs too much memory alone is noted."""
    try:
        found = run.detect([image for _, image in batch])
    except OutOfMemory as error:
        if len(batch) > 1:
            for one in batch:
                yield from _detected(run, [one])
            return
        ((file, _), _) = batch[0]
        run.tally.unreadable.append(f"{file.source}: {error}")
        return
    yield from zip(batch, found, strict=True)


@contextmanager
def _noting_out_of_memory(
    run: DetectionRun, file: InputFile, size_hw: tuple[int, int]
) -> Iterator[None]:
    """Note an image whose data or drawing need more memory than there is."""
    try:
        yield
    except (RuntimeError, MemoryError, cv2.error) as error:
        if not (is_out_of_memory(error) or "Insufficient memory" in str(error)):
            raise
        size = f"{size_hw[1]} x {size_hw[0]}"
        run.tally.unreadable.append(
            f"{file.source}: results of {size} pixels need more memory than there is"
        )


def _readable(
    run: DetectionRun, images: Iterable[Numbered]
) -> Iterator[tuple[Numbered, np.ndarray]]:
    """Yield the images that can be read and that something is to be done with."""
    for file, image_id in images:
        if _is_drawn(run, file) and not run.options.sinks:
            run.tally.num_kept += 1
            continue
        try:
            image = load_image(file.source)
        except InputError as error:
            run.tally.unreadable.append(str(error))
            continue
        yield (file, image_id), image


def _hand_on(
    run: DetectionRun, numbered: Numbered, image: np.ndarray, detections: Detections
) -> None:
    file, image_id = numbered
    run.record(file.record(image_id), detections)
    destination = run.options.destination
    if destination is None and not run.options.has_window:
        return
    drawn = run.draw(image, detections)
    if _is_drawn(run, file):
        run.tally.num_kept += 1
    elif destination is not None:
        write_image(destination.path_of(file), drawn)
    run.show(drawn, wait_ms=0)


def _is_drawn(run: DetectionRun, file: InputFile) -> bool:
    """Return whether there is a drawing of the image already, which must stay."""
    destination = run.options.destination
    return destination is not None and destination.keeps(file)
