"""One run of the program: the detector, what becomes of detections, and what it came to."""

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import numpy as np

from detic.demo.destination import Destination
from detic.demo.live import show
from detic.detections import Detections
from detic.memory_errors import is_out_of_memory
from detic.outputs import ImageRecord, Write
from detic.predictor import Detector, Tiles
from detic.predictor.tracking import ObjectTracker
from detic.rendering import DrawStyle, draw
from detic.videos import Video

T = TypeVar("T")


@dataclass(frozen=True)
class RunOptions:
    """What is asked of the detector, and what becomes of detections."""

    style: DrawStyle = field(default_factory=DrawStyle)
    destination: Destination | None = None  # of drawings
    sinks: Sequence[Write] = ()  # of data
    has_window: bool = False  # drawings are shown
    batch_size: int = 1  # images that go through the network at once
    masks: bool = True  # drawn or written
    features: bool = False
    all_scores: bool = False
    tiles: Tiles | None = None  # that images are cut into
    make_tracker: Callable[[Video], ObjectTracker] | None = None  # of the objects of videos


@dataclass
class Tally:
    """What a run came to."""

    num_read: int = 0  # images and videos
    num_kept: int = 0  # drawings that were there before and stay
    objects: Counter = field(default_factory=Counter)  # by class name, as shown
    unreadable: list[str] = field(default_factory=list)  # reasons, which name the files


class DetectionRun:
    """Detects, hands on and counts."""

    def __init__(self, detector: Detector, options: RunOptions):
        self.detector = detector
        self.options = options
        self.style = options.style  # with the colours of all classes that were drawn
        self.tally = Tally()
        self.has_quit = False  # the user closed the show
        self.is_whole = True  # no record was broken off in the middle of being written

    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Return the detections of each image (H, W, 3) uint8 BGR."""
        options = self.options
        return self.detector(
            list(images),
            batch_size=options.batch_size,
            masks=options.masks,
            features=options.features,
            all_scores=options.all_scores,
            tiles=options.tiles,
        )

    def record(self, image: ImageRecord, detections: Detections) -> None:
        """Write the data of an image wherever it is wanted; Ctrl-C waits until that is done."""
        with _uninterrupted():
            try:
                for write in self.options.sinks:
                    write(image, detections)
            except Exception as error:
                # An image that is too large for the memory is so before anything of it is written.
                self.is_whole = is_out_of_memory(error)
                raise
        self.tally.objects.update(detections.shown_names)

    def draw(self, image_bgr: np.ndarray, detections: Detections) -> np.ndarray:
        """Return the image with its detections."""
        self.style = self.style.with_colors_of(detections.names.tolist())
        return draw(image_bgr, detections, self.style)

    def show(self, drawn_bgr: np.ndarray, wait_ms: int) -> None:
        """Show a drawing if there is a window; see ``detic.demo.live.show``."""
        if self.options.has_window and not show(drawn_bgr, wait_ms):
            self.has_quit = True

    def batches(self, items: Iterable[T]) -> Iterator[list[T]]:
        """Yield the items in batches until they end or the user quits."""
        iterator = iter(items)
        while not self.has_quit and (batch := list(islice(iterator, self.options.batch_size))):
            yield batch


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put off Ctrl-C until the end of the block."""
    if threading.current_thread() is not threading.main_thread():  # which alone gets signals
        yield
        return
    came: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if came:
        raise KeyboardInterrupt
