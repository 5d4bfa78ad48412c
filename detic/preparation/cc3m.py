"""Conceptual Captions: fetching images by their addresses, listing them with their captions.

Source: Sharma et al., Conceptual Captions, ACL 2018.
"""

import http.client
import logging
import os
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from detic.datasets.image_sizes import read_image_sizes
from detic.downloads import is_unreached, may_pass
from detic.errors import InputError
from detic.files import write_bytes
from detic.images import IMAGE_ERRORS, read_image_size
from detic.progress import track

logger = logging.getLogger(__name__)

MAX_BYTES = 64 * 2**20
PIECE_BYTES = 64 * 2**10
PATIENCE = 5  # an image may take this many times as long as a step of its connection
USER_AGENT = "Mozilla/5.0 (compatible; image dataset download)"
URL_CHARACTERS = "/:?&=%#+,;@!$'()*~[]"  # stay as they are; spaces and letters beyond ASCII do not
FETCH_ERRORS = (OSError, http.client.HTTPException, ValueError, *IMAGE_ERRORS)


@dataclass(frozen=True)
class CaptionedAddress:
    """One line of the list."""

    number: int  # from 1; the image is saved as <number>.jpg
    caption: str
    url: str


@dataclass(frozen=True)
class FetchParams:
    """How images are fetched."""

    workers: int = 64  # connections at the same time
    timeout_s: float = 20.0  # for each step of a connection
    tries: int = 2
    pause_s: float = 1.0  # before the second try; twice as long before each further one


class Failure(NamedTuple):
    """Why an image could not be had."""

    reason: str
    is_final: bool  # an answer, or none in time; otherwise the server could not be reached at all


def read_addresses(path: str | os.PathLike) -> list[CaptionedAddress]:
    """Return the lines ``caption<TAB>address`` of a file; others are passed over.

    Numbers count all lines, so an image keeps its name whatever other lines hold.

    Raises:
        InputError: the file is missing, or no line has that form.
    """
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            lines = [line.rstrip("\r\n") for line in file]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    addresses = []
    for number, line in enumerate(lines, start=1):
        caption, tab, url = line.rpartition("\t")
        if tab and url.strip().lower().startswith(("http://", "https://")):
            addresses.append(CaptionedAddress(number, caption, url))
    if not addresses:
        raise InputError(f"{path} has no line of the form caption<TAB>http address")
    if len(addresses) < len(lines):
        logger.warning("%s: passed over %d lines", path, len(lines) - len(addresses))
    return addresses


def fetch_images(
    addresses: Sequence[CaptionedAddress],
    folder: str | os.PathLike,
    failures: str | os.PathLike,
    params: FetchParams,
) -> int:
    """Fetch the images that are not there yet; return how many could not be had.

    An image appears under its name when it is complete and can be opened. What fails is noted, and
    a second start of the program leaves it alone. Servers that could not be reached are tried
    again, because the reason may be this machine's network.

    Args:
        addresses: what to fetch.
        folder: where the images go.
        failures: file of lines ``number<TAB>reason``; delete it to try these again.
        params: how to fetch.
    """
    folder, failures = Path(folder), Path(failures)
    folder.mkdir(parents=True, exist_ok=True)
    failures.parent.mkdir(parents=True, exist_ok=True)
    done = _numbers_in(folder) | _failed_before(failures)
    pending = [address for address in addresses if address.number not in done]
    num_failed = num_unreached = 0
    with open(failures, "a", encoding="utf-8") as notes:
        results = _fetch_all(pending, folder, params)
        for address, failure in track(results, total=len(pending), unit="image"):
            num_failed += failure is not None
            if failure is not None and failure.is_final:
                notes.write(f"{address.number}\t{failure.reason}\n")
                notes.flush()
            elif failure is not None:
                num_unreached += 1
                unreached = f"{address.url} ({failure.reason})"
    if num_unreached:
        logger.warning(
            "%d servers could not be reached, such as that of %s; the next start tries them again",
            num_unreached,
            unreached,
        )
    return num_failed


def _numbers_in(folder: Path) -> set[int]:
    return {int(stem) for stem in (path.stem for path in folder.glob("*.jpg")) if stem.isdigit()}


def _failed_before(failures: Path) -> set[int]:
    if not failures.is_file():
        return set()
    lines = failures.read_text(encoding="utf-8").splitlines()
    return {int(number) for number, tab, _ in (line.partition("\t") for line in lines) if tab}


def _fetch_all(
    pending: Sequence[CaptionedAddress], folder: Path, params: FetchParams
) -> Iterator[tuple[CaptionedAddress, Failure | None]]:
    """Yield each address with None, or with the reason why its image could not be had."""
    queue = iter(pending)
    with ThreadPoolExecutor(params.workers) as pool:
        running = {pool.submit(_fetch, a, folder, params): a for a in islice(queue, params.workers)}
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield running.pop(future), future.result()
            for address in islice(queue, len(finished)):
                running[pool.submit(_fetch, address, folder, params)] = address


def _fetch(address: CaptionedAddress, folder: Path, params: FetchParams) -> Failure | None:
    """Save an image; return None, or the reason why it could not be had."""
    failure = None
    for attempt in range(params.tries):
        if attempt:
            time.sleep(params.pause_s * 2 ** (attempt - 1))
        try:
            content = _download(address.url, params.timeout_s)
            read_image_size(content)
        except FETCH_ERRORS as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            failure = Failure(reason, is_final=not is_unreached(error))
            if not may_pass(error):
                break
        else:
            write_bytes(folder / f"{address.number}.jpg", content)
            return None
    return failure


def _download(url: str, timeout_s: float) -> bytes:
    request = urllib.request.Request(
        quote(url.strip(), safe=URL_CHARACTERS), headers={"User-Agent": USER_AGENT}
    )
    content = bytearray()
    give_up = time.monotonic() + PATIENCE * timeout_s
    with urllib.request.urlopen(request, timeout=timeout_s) as response:
        while piece := response.read1(PIECE_BYTES):
            content += piece
            if len(content) > MAX_BYTES:
                raise ValueError(f"more than {MAX_BYTES} bytes")
            if time.monotonic() > give_up:
                raise TimeoutError(f"only {len(content)} bytes in {PATIENCE * timeout_s:g} s")
    return bytes(content)


def captioned_images(
    addresses: Sequence[CaptionedAddress], folder: str | os.PathLike, workers: int = 8
) -> list[dict]:
    """Return an image record with its caption for each image that is there and can be opened.

    Args:
        addresses: the lines of the list; a record's id is the number of its line.
        folder: where the images are.
        workers: images that are opened at the same time.
    """
    there = _numbers_in(Path(folder))
    fetched = [address for address in addresses if address.number in there]
    sizes = read_image_sizes(folder, [f"{a.number}.jpg" for a in fetched], workers)
    return [
        {
            "id": address.number,
            "file_name": f"{address.number}.jpg",
            "height": size[0],
            "width": size[1],
            "captions": [address.caption],
        }
        for address, size in zip(fetched, sizes, strict=True)
        if size is not None
    ]
