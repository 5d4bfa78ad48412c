"""Images at addresses, which the service fetches only from where it is allowed to.

A service that fetches whatever it is told to is a way into its network. So an address must begin with
one of those that whoever started the service named, redirects are not followed, and nothing of the
answer but an image gets out. Names lead where their owner wants: nothing is sent to a private address
unless it was named itself.
"""

import http.client
import ipaddress
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from detic.downloads import BLOCK_BYTES, NETWORK_ERRORS, USER_AGENT
from detic.errors import InputError, in_short
from detic.serving.limits import HTTPError, check_size

TIMEOUT_S = 10.0  # for each step of a connection
SCHEMES = ("http", "https")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        return None


class _PublicConnection(http.client.HTTPConnection):
    """A connection that ends at once if it leads to a private address."""

    def connect(self) -> None:
        super().connect()
        peer = self.sock.getpeername()[0]
        if not is_public(peer):
            self.close()
            raise HTTPError(
                422, f"this service does not fetch from {self.host}: its address is private"
            )


class _PublicTLSConnection(http.client.HTTPSConnection, _PublicConnection):
    """The same; the address is looked at before anything is encrypted."""


class _PublicHTTP(urllib.request.HTTPHandler):
    def http_open(self, request):
        return self.do_open(_PublicConnection, request)


class _PublicHTTPS(urllib.request.HTTPSHandler):
    def https_open(self, request):
        return self.do_open(_PublicTLSConnection, request)


# Networks of IPv6 whose addresses hold one of IPv4: NAT64, 6to4, IPv4-compatible
_LEAD_TO_IPV4 = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "2002::/16", "::/96")))
_HANDLERS = (urllib.request.ProxyHandler({}), _NoRedirects)
_opener = urllib.request.build_opener(*_HANDLERS)
_public_opener = urllib.request.build_opener(*_HANDLERS, _PublicHTTP, _PublicHTTPS)


def is_public(ip: str) -> bool:
    """Return whether an address is one of the internet, and no other way to one that is not.

    >>> [is_public(ip) for ip in ("8.8.8.8", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1")]
    [True, False, False, False]
    >>> [is_public(ip) for ip in ("2606:4700::1111", "64:ff9b::a00:1", "2002:a00:1::", "::10.0.0.1")]
    [True, False, False, False]
    """
    address = ipaddress.ip_address(ip.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address.is_site_local or any(address in network for network in _LEAD_TO_IPV4):
            return False
    return address.is_global and not address.is_multicast


def names_a_machine(address: str) -> bool:
    """Return whether the host of an address is this machine or a number, which lead nowhere else."""
    host = urlsplit(address).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


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


def fetch_image(
    address: str,
    prefixes: Sequence[str],
    max_bytes: int,
    timeout_s: float,
    private_names: bool = False,
) -> bytes:
    """Return the content of the file at an address.

    Args:
        prefixes: addresses must begin with one of them.
        private_names: names may lead to private addresses.

    Raises:
        HTTPError: it may not be fetched, cannot be, or is too large.
    """
    if not prefixes:
        raise HTTPError(422, "this service fetches no addresses; send the image itself")
    if not is_allowed(address, prefixes):
        raise HTTPError(422, f"this service does not fetch {in_short(address)}")
    opener = _opener if private_names or names_a_machine(address) else _public_opener
    ends_s = time.monotonic() + timeout_s
    content = bytearray()
    try:
        request = urllib.request.Request(address, headers={"User-Agent": USER_AGENT})
        with opener.open(request, timeout=TIMEOUT_S) as response:
            while block := response.read1(BLOCK_BYTES):
                content += block
                check_size(len(content), max_bytes)
                if time.monotonic() > ends_s:
                    raise TimeoutError("it takes too long")
    except (*NETWORK_ERRORS, ValueError) as error:
        reason = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else "no answer"
        raise HTTPError(422, f"cannot fetch {in_short(address)}: {reason}") from error
    return bytes(content)
