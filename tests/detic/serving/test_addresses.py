import http.server
import socket
import threading
import time
from contextlib import suppress

import pytest

from detic.errors import InputError
from detic.serving.addresses import check_prefix, fetch_image, is_allowed, is_public
from detic.serving.limits import HTTPError

SHOP = "https://a.org/shop/"


@pytest.mark.parametrize(
    "address",
    [
        "https://a.org/",
        "https://a.org.evil.org/shop/1.jpg",
        "https://user@a.org/shop/1.jpg",
        "http://a.org/shop/1.jpg",
        "https://a.org/shop/../1.jpg",
        "https://a.org/shop/%2e%2e/1.jpg",
        "https://a.org/shop/%252e%252e/1.jpg",
        "https://a.org/shop/..\\1.jpg",
        "https://a.org/shop/1.jpg HTTP/1.1\r\nX: y",
        "file:///etc/passwd",
    ],
)
def test_other_addresses_are_not_fetched(address):
    assert not is_allowed(address, [SHOP])
    with pytest.raises(HTTPError, match="does not fetch"):
        fetch_image(address, [SHOP], 10, 1)


def test_nothing_is_fetched_unless_it_is_allowed():
    with pytest.raises(HTTPError, match="fetches no addresses"):
        fetch_image(SHOP + "1.jpg", [], 10, 1)


@pytest.mark.parametrize("prefix", ["https://a.org", "file:///tmp/", "a.org/", "https:///"])
def test_prefixes_are_folders_of_servers(prefix):
    with pytest.raises(InputError, match="with a slash at its end"):
        check_prefix(prefix)
    assert check_prefix(SHOP) == SHOP


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/shop/slow.jpg":
            return self.trickle()
        found = self.path == "/shop/1.jpg"
        self.send_response(200 if found else 302)
        self.send_header("Location", "/secret")
        self.end_headers()
        self.wfile.write(b"pixels")

    def trickle(self):
        """Send an answer without a body, its header byte by byte."""
        self.close_connection = True
        with suppress(OSError):  # the client is gone
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: " + b"x" * 40 + b"\r\n\r\n":
                self.wfile.write(bytes([byte]))
                time.sleep(0.01)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def shop():
    with http.server.HTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/shop/"
        server.shutdown()
        thread.join()


def test_images_are_fetched_without_redirects(shop):
    assert fetch_image(shop + "1.jpg", [shop], 10, 5) == b"pixels"
    with pytest.raises(HTTPError, match="HTTP 302"):
        fetch_image(shop + "2.jpg", [shop], 10, 5)
    with pytest.raises(HTTPError) as too_large:
        fetch_image(shop + "1.jpg", [shop], 5, 5)
    assert too_large.value.status == 413


def test_a_server_that_sends_byte_by_byte_gets_no_more_time(shop):
    assert fetch_image(shop + "slow.jpg", [shop], 10, 20) == b""
    with pytest.raises(HTTPError, match="no answer"):
        fetch_image(shop + "slow.jpg", [shop], 10, 0.1)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_names_lead_to_no_private_address_unless_it_is_allowed(shop, scheme, monkeypatch):
    port = int(shop.split(":")[2].split("/")[0])
    find = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *args: find("127.0.0.1", *args))
    named = f"{scheme}://images.example.org:{port}/shop/"
    with pytest.raises(HTTPError, match="its address is private"):
        fetch_image(named + "1.jpg", [named], 10, 5)
    if scheme == "http":
        assert fetch_image(named + "1.jpg", [named], 10, 5, private_names=True) == b"pixels"


@pytest.mark.parametrize(
    ("ip", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),  # where clouds tell machines their secrets
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b:1::a00:1", False),  # 10.0.0.1 by a local NAT64
        ("::ffff:0:10.0.0.1", False),
    ],
)
def test_public_addresses_are_those_of_the_internet(ip, expected):
    assert is_public(ip) == expected
