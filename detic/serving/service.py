"""A detector, its vocabularies and its queue: the service without HTTP."""

import asyncio
import os
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from detic.detections import Detections
from detic.errors import InputError
from detic.predictor.detector import OutOfMemory
from detic.serving.addresses import fetch_image
from detic.serving.answers import MaskFormat, answer
from detic.serving.batcher import Batcher, BatchTimes
from detic.serving.images import BYTES_PER_PIXEL, check_header, decode
from detic.serving.limits import Admission, HTTPError, Limits, Reservation
from detic.serving.metrics import Metrics
from detic.serving.served_detector import ServedDetector
from detic.serving.vocabularies import DEFAULT, ServedVocabulary, Vocabularies

MAX_DECODERS = 4  # threads
MAX_FETCHERS = 16  # threads of their own, in which slow addresses hold up nothing else
_DRAINING_S = 0.01  # between two looks at what is in progress


@dataclass(frozen=True)
class DetectParams:
    """What to look for in an image, and what to answer."""

    vocabulary: ServedVocabulary
    threshold: float
    masks: MaskFormat


@dataclass(frozen=True)
class BatchKey:
    """What the images of a batch share."""

    vocabulary: ServedVocabulary
    threshold: float
    masks: bool
    size: Hashable  # as of ServedDetector.batch_key


@dataclass(frozen=True)
class ServiceOptions:
    """How a service works."""

    limits: Limits = field(default_factory=Limits)
    max_batch: int = 8  # images
    wait_s: float = 0.005  # for further images of a batch
    vocabulary_folder: Path | None = None  # keeps stored vocabularies; None: nothing does
    url_prefixes: Sequence[str] = ()  # of addresses that may be fetched
    private_names: bool = False  # names among them may lead to private addresses


class Service:
    """All that requests share.

    Args:
        detector: only the service uses it.
    """

    def __init__(self, detector: ServedDetector, options: ServiceOptions):
        limits = options.limits
        self.detector = detector
        self.options = options
        self.metrics = Metrics()
        self.admission = Admission(limits)
        self.vocabularies = Vocabularies(
            detector.prepare, detector.classes, limits, options.vocabulary_folder
        )
        self.batcher = Batcher(
            self._detect,
            max_batch=options.max_batch,
            max_cost=limits.max_pixels,
            cost_of=_pixels_with_masks,
            wait_s=options.wait_s,
            on_batch=self._note_batch,
        )
        self._decoders = ThreadPoolExecutor(min(MAX_DECODERS, os.cpu_count() or 1), "images")
        self._fetchers = ThreadPoolExecutor(MAX_FETCHERS, "addresses")
        for name, help, value in (
            ("detic_queue_images", "Images that wait.", lambda: len(self.batcher)),
            ("detic_requests_in_progress", "Requests.", lambda: self.admission.num_requests),
            ("detic_held_bytes", "Held by them.", lambda: self.admission.held_bytes),
            ("detic_vocabularies", "Stored.", lambda: len(self.vocabularies)),
        ):
            self.metrics.add_gauge(name, help, value)

    @property
    def model(self) -> dict[str, str]:
        return {"name": self.detector.name, "version": self.detector.version}

    @property
    def is_ready(self) -> bool:
        return self.batcher.is_alive and not self.admission.is_closed

    async def vocabulary_of(self, id: str | None, names: Sequence[str]) -> ServedVocabulary:
        """Return the vocabulary of a request, as it is now.

        Raises:
            InputError, HTTPError: there is none, or the request names two.
        """
        if id is not None and names:
            raise InputError("the request has a vocabulary and names; keep one of them")
        if names:
            return await self.vocabularies.of_names(names)
        return self.vocabularies.get(DEFAULT if id is None else id)

    async def fetch(self, url: str, reservation: Reservation) -> bytes:
        """Return the content of the image at an address; see ``fetch_image``."""
        options, limits = self.options, self.options.limits
        content = await asyncio.get_running_loop().run_in_executor(
            self._fetchers,
            fetch_image,
            url,
            options.url_prefixes,
            limits.max_body_bytes,
            limits.timeout_s,
            options.private_names,
        )
        reservation.hold(len(content))
        return content

    async def find(self, content: bytes, params: DetectParams, reservation: Reservation) -> bytes:
        """Return the answer for an image, as JSON.

        Args:
            content: of its file.

        Raises:
            HTTPError: it is no image, or one that is too large, or has too many and large masks.
        """
        in_decoder = partial(asyncio.get_running_loop().run_in_executor, self._decoders)
        num_pixels = await in_decoder(check_header, content, self.options.limits)
        reservation.hold(num_pixels * BYTES_PER_PIXEL)
        image, size = await in_decoder(self._decoded, content)
        detections = await self._batched(image, size, params)
        if detections.masks is not None:
            reservation.hold(detections.masks.nbytes)
        text = await in_decoder(
            answer, detections, params.masks, self.model, params.vocabulary.summary()
        )
        self.metrics.count_objects(len(detections))
        return text

    def _decoded(self, content: bytes) -> tuple[np.ndarray, Hashable]:
        image = decode(content)
        return image, self.detector.batch_key(image.shape[:2])

    async def _batched(self, image: np.ndarray, size: Hashable, params: DetectParams) -> Detections:
        masks = params.masks is not MaskFormat.NONE
        key = BatchKey(params.vocabulary, params.threshold, masks, size)
        try:
            return await asyncio.wrap_future(self.batcher.submit(image, key))
        except OutOfMemory as error:
            raise HTTPError(413, str(error)) from error

    async def drain(self) -> None:
        """Take no more requests, answer those that are in progress, and close."""
        self.admission.is_closed = True
        while self.admission.num_requests:
            await asyncio.sleep(_DRAINING_S)
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """End all threads; no request may be in progress."""
        self.batcher.close()
        self.vocabularies.close()
        self._decoders.shutdown()
        self._fetchers.shutdown(wait=False, cancel_futures=True)  # nobody waits for an answer

    def _detect(self, images: Sequence[np.ndarray], key: BatchKey) -> list[Detections]:
        return self.detector.detect(
            images, key.vocabulary.prepared, threshold=key.threshold, masks=key.masks
        )

    def _note_batch(self, times: BatchTimes) -> None:
        self.metrics.count_batch(times.size, times.waited_s, times.computed_s)
        self.admission.note_batch(times.computed_s, times.size)


def _pixels_with_masks(image: np.ndarray, key: BatchKey) -> int:
    """Return the pixels of an image if there will be masks of it: their memory grows with them."""
    return image.shape[0] * image.shape[1] if key.masks else 0
