"""Files from the network, fetched once and kept in the user's cache.

What was cut short, or is another file than was asked for, is never kept: the length and, where it is
known, the digest are checked before a file gets its name.
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
from detic.files import make_folder, unfinished_path
from detic.paths import as_file_name, cache_folder

logger = logging.getLogger(__name__)

DOWNLOADS = "downloads"  # folder in the cache
TIMEOUT_S = 30.0  # for each step of a connection
PAUSES_S = (1.0, 4.0, 10.0)  # before each further try
BLOCK_BYTES = 2**20
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
        sha256: the digest of the file, if it is known.

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
        return error.code in (408, 429) or error.code >= 500
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


def _fetch(url: str, path: Path, sha256: str | None) -> None:
    for pause_s in (*PAUSES_S, None):
        try:
            with unfinished_path(path) as unfinished:
                _download(url, unfinished)
                _check_digest(url, unfinished, sha256)
            return
        except NETWORK_ERRORS as error:
            if pause_s is None or is_unreached(error) or not may_pass(error):
                raise InputError(
                    f"cannot fetch {url} ({error}); check the address and the network, or download it "
                    f"by other means to {path}"
                ) from error
            logger.warning("%s: %s; trying again in %g s", url, error, pause_s)
            time.sleep(pause_s)


def _download(url: str, path: Path) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": USER_AGENT})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response, path.open("wb") as file:
        if response.headers.get_content_type() == "text/html":
            raise InputError(f"{url} is a web page, not a file; look at it in a browser")
        while block := response.read(BLOCK_BYTES):
            file.write(block)
        expected = response.headers.get("Content-Length")
        if expected is not None and file.tell() != int(expected):
            raise http.client.IncompleteRead(b"", int(expected) - file.tell())


def _check_digest(url: str, path: Path, sha256: str | None) -> None:
    if sha256 is None:
        return
    with path.open("rb") as file:
        found = sha256_of(file)
    if found != sha256:
        raise InputError(f"{url} has the SHA-256 {found}, expected {sha256}: it is another file")
