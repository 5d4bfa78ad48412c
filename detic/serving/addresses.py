"""Images at addresses, which the service fetches only from where it is allowed to.

A service that fetches whatever it is told to is a way into its network. So an address must begin with
one of those that whoever started the service named, redirects are not followed, and nothing of the
answer but an image gets out. Names lead where their owner wants: nothing is sent to a private address
unless it was named itself.
"""

import http.client
import ipaddress
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import SplitResult, unquote, urlsplit

from detic.downloads import BLOCK_BYTES, NETWORK_ERRORS, USER_AGENT
from detic.errors import InputError, in_short
from detic.serving.limits import HTTPError, check_size

TIMEOUT_S = 10.0  # for each step of a connection
SCHEMES = ("http", "https")
_HEADERS = {"User-Agent": USER_AGENT, "Connection": "close"}


class _Connection(http.client.HTTPConnection):
    """A connection that can be cut, and ends at once if it leads to a private address but may not."""

    may_be_private = False
    is_cut = False
    _line: socket.socket | None = None  # to the server; TLS takes over ``sock`` itself

    def connect(self) -> None:
        super().connect()
        peer = self.sock.getpeername()[0]
        if not self.may_be_private and not is_public(peer):
            self.close()
            raise HTTPError(
                422, f"this service does not fetch from {self.host}: its address is private"
            )
        self._line = self.sock.dup()
        if self.is_cut:
            raise TimeoutError("it takes too long")

    def cut(self) -> None:
        """End whatever waits for the server. Any thread may call this."""
        self.is_cut = True
        if self._line is not None:
            with suppress(OSError):  # it has ended by itself
                self._line.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        self.close()
        if self._line is not None:
            self._line.close()


class _TLSConnection(http.client.HTTPSConnection, _Connection):
    """The same; the address is looked at before anything is encrypted."""


_CONNECTIONS = {"http": _Connection, "https": _TLSConnection}

# Networks of IPv6 whose addresses hold one of IPv4: NAT64 (RFC 6052, RFC 8215), 6to4,
# IPv4-translated, IPv4-compatible
_LEAD_TO_IPV4 = tuple(
    map(
        ipaddress.IPv6Network,
        ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "::ffff:0:0:0/96", "::/96"),
    )
)


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
    parts = urlsplit(address)
    content = bytearray()
    try:
        with _connected(parts, private_names or names_a_machine(address), timeout_s) as connection:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request("GET", target, headers=_HEADERS)
            with connection.getresponse() as response:
                if not 200 <= response.status < 300:
                    raise _unfetched(address, f"HTTP {response.status}")
                while block := response.read1(BLOCK_BYTES):
                    content += block
                    check_size(len(content), max_bytes)
            if connection.is_cut:  # which may look like the end
                raise TimeoutError("it takes too long")
    except (*NETWORK_ERRORS, ValueError) as error:
        raise _unfetched(address, "no answer") from error
    return bytes(content)


@contextmanager
def _connected(
    address: SplitResult, may_be_private: bool, timeout_s: float
) -> Iterator[_Connection]:
    """Yield a connection to the server of an address, which is cut when the time is over.

    The timeout of a socket would begin again with each byte that the server sends.
    """
    connection = _CONNECTIONS[address.scheme](address.netloc, timeout=min(TIMEOUT_S, timeout_s))
    connection.may_be_private = may_be_private
    timer = threading.Timer(timeout_s, connection.cut)
    timer.daemon = True
    timer.start()
    try:
        yield connection
    finally:
        timer.cancel()
        connection.end()


def _unfetched(address: str, reason: str) -> HTTPError:
    return HTTPError(422, f"cannot fetch {in_short(address)}: {reason}")
