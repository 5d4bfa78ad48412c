"""Files from the network: weights, fetched once and kept in the user's cache, and images.

What was cut short, or is another file than was asked for, never gets the name of a file: the length
and, where it is known, the digest are checked before. What came of a file stays beside its place under
a hidden name, and the next try goes on from there if the server says that the file is still the same.
"""

import errno
import hashlib
import http.client
import logging
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from detic.errors import InputError, in_short
from detic.files import is_file, make_folder, writing
from detic.paths import as_file_name, cache_folder
from detic.progress import counter

logger = logging.getLogger(__name__)

DOWNLOADS = "downloads"  # folder in the cache
TIMEOUT_S = 30.0  # for each step of a connection
WHOLE_TIME_S = 120.0  # for a file that is not kept
PAUSES_S = (1.0, 4.0, 10.0)  # before each further try
BLOCK_BYTES = 2**20
PARTIAL_CONTENT = 206  # HTTP status: the rest of a file
BEYOND_THE_END = 416  # HTTP status: there is no such rest
USER_AGENT = "detic (model download)"
# Errors of a connection if the network is down; a server that is gone for good gives the same
NO_NETWORK = (errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH)
# What a connection that fails raises: URLError is an OSError
NETWORK_ERRORS = (OSError, http.client.HTTPException)


def fetch(url: str, sha256: str | None = None) -> Path:
    """Return the local copy of a file, fetched if there is none.

    Processes that want the same file wait for the one that fetches it.

    Args:
        url: starts with http:// or https://.
        sha256: the digest of the file in hexadecimal digits, or its beginning, if it is known.

    Raises:
        InputError: it cannot be fetched, or is not the file that was asked for.
    """
    from filelock import FileLock

    path = cached_path(url)
    make_folder(path.parent)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if not path.is_file():
            logger.info("fetching %s to %s", url, path)
            _fetch(url, path, sha256)
    return path


def read_url(url: str, max_bytes: int) -> bytes:
    """Return the content of a file, which is kept nowhere.

    Args:
        url: starts with http:// or https://.
        max_bytes: of the content.

    Raises:
        InputError: it cannot be fetched, is larger, or takes longer than ``WHOLE_TIME_S``.
    """
    ends_s = time.monotonic() + WHOLE_TIME_S
    content = bytearray()
    try:
        request = urllib.request.Request(url, headers={"User-Agent": USER_AGENT})
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            length = int(response.headers.get("Content-Length") or 0)
            _check_size(url, length, max_bytes)
            while block := response.read1(BLOCK_BYTES):
                content += block
                _check_size(url, len(content), max_bytes)
                if time.monotonic() > ends_s:
                    raise TimeoutError(f"not complete after {WHOLE_TIME_S:g} s")
            if len(content) < length:
                raise http.client.IncompleteRead(b"", length - len(content))
    except InputError:
        raise
    except (*NETWORK_ERRORS, ValueError) as error:
        raise InputError(
            f"cannot fetch {in_short(url)} ({in_short(str(error))}); check the address and the network"
        ) from error
    return bytes(content)


def _check_size(url: str, num_bytes: int, max_bytes: int) -> None:
    if num_bytes > max_bytes:
        raise InputError(f"{in_short(url)} has more than {max_bytes:,} bytes; fetch it first")


def cached_path(url: str) -> Path:
    """Return where the copy of a file is kept.

    Raises:
        InputError: it is no address.
    """
    try:
        address = urlsplit(url)
    except ValueError as error:
        raise InputError(f"{in_short(url)} is no address ({error}); correct it") from error
    parts = [part for part in address.path.split("/") if part not in ("", ".", "..")]
    if address.query:
        parts[-1:] = [f"{parts[-1] if parts else ''}?{address.query}"]
    names = [as_file_name(part) for part in (address.netloc, *parts)]
    return cache_folder().joinpath(DOWNLOADS, *names)


def may_pass(error: Exception) -> bool:
    """Return whether another try is worth it: not if the server says that there is no such file."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code in (408, 429, BEYOND_THE_END) or error.code >= 500
    return isinstance(
        error,
        urllib.error.URLError | TimeoutError | ConnectionError | http.client.HTTPException,
    )


def is_unreached(error: Exception) -> bool:
    """Return whether no connection came about: an unknown name, a refusal, no way to the server."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else None
    if isinstance(cause, socket.gaierror | ConnectionError):
        return True
    return isinstance(cause, OSError) and cause.errno in NO_NETWORK


def sha256_of(file: BinaryIO) -> str:
    """Return the SHA-256 of what is left of an open file, as hexadecimal digits."""
    digest = hashlib.sha256()
    while block := file.read(BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


class _Partial:
    """What has come of a file, and what the server calls the version that it belongs to.

    Args:
        path: of the whole file.
    """

    def __init__(self, path: Path):
        self.content = path.with_name(f".{path.name}.part")
        self._version = path.with_name(f".{path.name}.version")

    def headers(self) -> dict[str, str]:
        """Return the headers that ask for the rest of the same version, none if nothing has come."""
        if not (is_file(self.content) and is_file(self._version)):
            return {}
        version = self._version.read_text("latin1")
        num_bytes = self.content.stat().st_size
        return {"Range": f"bytes={num_bytes}-", "If-Range": version} if num_bytes else {}

    def open_for(self, response: http.client.HTTPResponse) -> BinaryIO:
        """Return the file that an answer goes to: at its end for the rest, else from the beginning."""
        if response.status == PARTIAL_CONTENT:
            num_bytes = self.content.stat().st_size
            if not response.headers.get("Content-Range", "").startswith(f"bytes {num_bytes}-"):
                self.discard()
                raise http.client.HTTPException("the server sent another part than was asked for")
            return self.content.open("ab")
        self.discard()
        version = _version_of(response)
        if version is not None:
            self._version.write_text(version, "latin1")
        return self.content.open("wb")

    def discard(self) -> None:
        """Forget what has come."""
        self.content.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)

    def keep_as(self, path: Path) -> None:
        """Give the file its name."""
        self.content.replace(path)
        self.discard()  # the version that it was


def _version_of(response: http.client.HTTPResponse) -> str | None:
    """Return what tells a version of a file from all others; a weak mark (W/) does not."""
    mark = response.headers.get("ETag", "")
    return mark if mark.startswith('"') else None


def _fetch(url: str, path: Path, sha256: str | None) -> None:
    partial = _Partial(path)
    for pause_s in (*PAUSES_S, None):
        try:
            with writing(path, as_file=partial.content):
                _download(url, partial)
            _check_digest(url, partial, sha256)
            with writing(path):
                partial.keep_as(path)
            return
        except NETWORK_ERRORS as error:
            if isinstance(error, urllib.error.HTTPError) and error.code == BEYOND_THE_END:
                partial.discard()
            if pause_s is None or is_unreached(error) or not may_pass(error):
                if not partial.headers():
                    partial.discard()
                raise InputError(
                    f"cannot fetch {url} ({error}); check the address and the network, or download it "
                    f"by other means to {path}"
                ) from error
            logger.warning("%s: %s; trying again in %g s", url, error, pause_s)
            time.sleep(pause_s)


def _download(url: str, partial: _Partial) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": USER_AGENT} | partial.headers())
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        if response.headers.get_content_type() == "text/html":
            raise InputError(f"{url} is a web page, not a file; look at it in a browser")
        with partial.open_for(response) as file:
            _receive(response, file, Path(urlsplit(url).path).name)


def _receive(response: http.client.HTTPResponse, file: BinaryIO, name: str) -> None:
    """Append what an answer holds to a file, and show how far it is."""
    length = response.headers.get("Content-Length")
    had = file.tell()
    total = None if length is None else had + int(length)
    with counter(name, unit="B", total=total, scale=True) as progress:
        progress.update(had)
        while block := response.read(BLOCK_BYTES):
            file.write(block)
            progress.update(len(block))
    if total is not None and file.tell() != total:
        raise http.client.IncompleteRead(b"", total - file.tell())


def _check_digest(url: str, partial: _Partial, sha256: str | None) -> None:
    if sha256 is None:
        return
    with partial.content.open("rb") as file:
        found = sha256_of(file)
    if not found.startswith(sha256):
        partial.discard()
        raise InputError(f"{url} has the SHA-256 {found}, expected {sha256}: it is another file")
