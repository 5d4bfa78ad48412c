"""What a request may ask for, and what all of them may hold at a time."""

import math
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Bounds of the service."""

    max_body_bytes: int = 32 * MIB  # of a request for detection
    max_vocabulary_bytes: int = MIB // 2  # of one in YAML or text; JSON may hold images
    max_pixels: int = 50_000_000  # of an image
    max_texts: int = 2000  # names, synonyms and prompts of a vocabulary that are embedded
    max_text_length: int = 200  # characters of each
    max_examples: int = 100  # images that show the classes of a vocabulary
    max_vocabularies: int = 256  # that are stored
    max_requests: int = 128  # in progress; more get 503
    max_held_bytes: int = 2048 * MIB  # of bodies, images and masks in progress; more get 503
    max_per_client: int | None = None  # requests of one address in progress; more get 429
    timeout_s: float = 60.0  # for a body to arrive, and then for its answer


class HTTPError(Exception):
    """An answer that tells what is wrong.

    Args:
        status: of HTTP, 400 or more.
        message: for whoever sent the request.
        headers: further ones.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class Reservation:
    """What one request holds of the memory of all."""

    def __init__(self, admission: "Admission"):
        self._admission = admission
        self.held_bytes = 0

    def hold(self, num_bytes: int) -> None:
        """Hold so many more bytes.

        Raises:
            HTTPError: there are too many in progress, or too many of this request alone.
        """
        if self.held_bytes + num_bytes > self._admission.limits.max_held_bytes:
            raise HTTPError(
                413,
                "the image takes more memory than all together may; make it smaller, or ask for no "
                "masks or, by a higher threshold, for fewer of them",
            )
        self._admission.hold(num_bytes)
        self.held_bytes += num_bytes

    def busy(self, reason: str) -> HTTPError:
        """Return the error of this request if it may succeed later."""
        return self._admission.busy(reason)


class Admission:
    """The requests in progress. Only the event loop's thread uses it."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.is_closed = False  # the service ends
        self.num_requests = 0
        self.held_bytes = 0
        self.seconds_per_answer = 0.0  # a moving mean
        self._of_client: Counter[str] = Counter()

    @contextmanager
    def entered(self, client: str) -> Iterator[Reservation]:
        """Count a request until it is answered.

        Args:
            client: its address.

        Raises:
            HTTPError: there are too many requests, or too many of this client.
        """
        if self.is_closed:
            raise self.busy("the service ends")
        if self.num_requests >= self.limits.max_requests:
            raise self.busy(f"{self.num_requests} requests are in progress")
        most = self.limits.max_per_client
        if most is not None and self._of_client[client] >= most:
            message = f"{most} requests of this client are in progress; wait for an answer"
            raise HTTPError(429, message, self._retry_after())
        self.num_requests += 1
        self._of_client[client] += 1
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            self.num_requests -= 1
            self.held_bytes -= reservation.held_bytes
            self._of_client[client] -= 1
            if not self._of_client[client]:
                del self._of_client[client]

    def hold(self, num_bytes: int) -> None:
        """Hold memory; ``Reservation.hold`` gives it back by itself.

        Raises:
            HTTPError: it is more than there may be.
        """
        if self.held_bytes + num_bytes > self.limits.max_held_bytes:
            raise self.busy("the images in progress take all the memory that they may")
        self.held_bytes += num_bytes

    def busy(self, reason: str) -> HTTPError:
        """Return the error of a request that may succeed later."""
        return HTTPError(503, f"{reason}; try again later", self._retry_after())

    def note_batch(self, seconds: float, size: int) -> None:
        """Learn from a batch how long an image takes."""
        self.seconds_per_answer += 0.2 * (seconds / size - self.seconds_per_answer)

    def _retry_after(self) -> dict[str, str]:
        waiting_s = self.num_requests * self.seconds_per_answer
        return {"Retry-After": str(min(max(1, math.ceil(waiting_s / 2)), 60))}


async def within(
    stream: AsyncIterable[bytes], max_bytes: int, reservation: Reservation
) -> AsyncGenerator[bytes, None]:
    """Yield the parts of a body as they come.

    Raises:
        HTTPError: there are more bytes, which are not waited for.
    """
    num_bytes = 0
    async for part in stream:
        num_bytes += len(part)
        check_size(num_bytes, max_bytes)
        reservation.hold(len(part))
        yield part


def check_size(num_bytes: int, max_bytes: int) -> None:
    """Raise HTTPError if a body is too large, or says that it will be."""
    if num_bytes > max_bytes:
        raise HTTPError(413, f"the body has more than {max_bytes:,} bytes; send a smaller one")


def check_num_texts(count: int, limits: Limits) -> None:
    """Raise HTTPError if a vocabulary has more to embed than it may have."""
    if count > limits.max_texts:
        raise HTTPError(
            422,
            f"the vocabulary has {count} names, synonyms and prompts; at most {limits.max_texts} "
            "are looked for at a time",
        )
