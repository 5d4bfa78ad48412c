"""Images at addresses, which the service fetches only from where it is allowed to.

A service that fetches whatever it is told to is a way into its network. So an address must begin with
one of those that whoever started the service named, redirects are not followed, and nothing of the
answer but an image gets out.
"""

import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from detic.downloads import BLOCK_BYTES, NETWORK_ERRORS, USER_AGENT
from detic.errors import InputError, in_short
from detic.serving.limits import Refusal, check_size

TIMEOUT_S = 10.0  # for each step of a connection
SCHEMES = ("http", "https")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        return None


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)


def check_prefix(prefix: str) -> str:
    """Return the beginning of addresses that may be fetched.

    Raises:
        InputError: it is no folder of a server.
    """
    parts = urlsplit(prefix)
    if parts.scheme not in SCHEMES or not parts.netloc or not parts.path.endswith("/"):
        raise InputError(
            f"{in_short(prefix)} is no folder of a server; name one such as "
            "https://images.example.org/shop/, with a slash at its end"
        )
    return prefix


def is_allowed(address: str, prefixes: Sequence[str]) -> bool:
    """Return whether an address is below one of some folders.

    >>> is_allowed("https://a.org/shop/1.jpg", ["https://a.org/shop/"])
    True
    >>> is_allowed("https://a.org/shop/../x", ["https://a.org/shop/"])
    False
    """
    path = unquote(unquote(address)).replace("\\", "/")
    has_controls = any(ord(sign) <= ord(" ") for sign in path)
    return not has_controls and "/.." not in path and any(address.startswith(p) for p in prefixes)


def fetch_image(address: str, prefixes: Sequence[str], max_bytes: int, timeout_s: float) -> bytes:
    """Return the content of the file at an address.

    Raises:
        Refusal: it may not be fetched, cannot be, or is too large.
    """
    if not prefixes:
        raise Refusal(422, "this service fetches no addresses; send the image itself")
    if not is_allowed(address, prefixes):
        raise Refusal(422, f"this service does not fetch {in_short(address)}")
    ends_s = time.monotonic() + timeout_s
    content = bytearray()
    try:
        request = urllib.request.Request(address, headers={"User-Agent": USER_AGENT})
        with _opener.open(request, timeout=TIMEOUT_S) as response:
            while block := response.read1(BLOCK_BYTES):
                content += block
                check_size(len(content), max_bytes)
                if time.monotonic() > ends_s:
                    raise TimeoutError("it takes too long")
    except (*NETWORK_ERRORS, ValueError) as error:
        reason = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else "no answer"
        raise Refusal(422, f"cannot fetch {in_short(address)}: {reason}") from error
    return bytes(content)
