"""Downloads: kept when they are whole, tried again when that may help."""

import functools
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from detic import downloads
from detic.downloads import cached_path, fetch
from detic.errors import InputError

CONTENT = b"weights" * 1000


class Handler(BaseHTTPRequestHandler):
    """Answers by path; counts the requests of each."""

    def __init__(self, counts, *args):
        self.counts = counts
        super().__init__(*args)

    def do_GET(self):
        self.counts[self.path] = self.counts.get(self.path, 0) + 1
        is_first = self.counts[self.path] == 1
        if self.path == "/gone":
            self.send_error(404)
        elif self.path == "/busy" and is_first:
            self.send_error(503)
        else:
            self.send_response(200)
            kind = "text/html" if self.path == "/page" else "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            is_cut = self.path == "/cut" or (self.path == "/once" and is_first)
            self.wfile.write(CONTENT[:100] if is_cut else CONTENT)

    def log_message(self, *args):
        pass


@pytest.fixture
def counts():
    return {}


@pytest.fixture
def address(tmp_path, monkeypatch, counts):
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path))
    monkeypatch.setattr(downloads, "PAUSES_S", (0, 0))
    with HTTPServer(("127.0.0.1", 0), functools.partial(Handler, counts)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_file_is_fetched_once(address, counts):
    digest = hashlib.sha256(CONTENT).hexdigest()
    paths = {fetch(f"{address}/a.pth", digest) for _ in range(2)}
    assert paths.pop().read_bytes() == CONTENT
    assert counts == {"/a.pth": 1}


@pytest.mark.parametrize("name", ["/busy", "/once"])
def test_what_may_pass_is_tried_again(address, counts, name):
    assert fetch(address + name).read_bytes() == CONTENT
    assert counts[name] == 2


@pytest.mark.parametrize(
    ("name", "num_tries", "message"),
    [
        ("/gone", 1, r"cannot fetch .*/gone .*404.* other means to "),
        ("/cut", 3, r"cannot fetch .*/cut .*IncompleteRead"),
        ("/page", 1, "is a web page"),
    ],
)
def test_what_fails_leaves_nothing(address, counts, name, num_tries, message):
    with pytest.raises(InputError, match=message):
        fetch(address + name)
    assert counts[name] == num_tries
    folder = cached_path(address + name).parent
    assert [path.name for path in folder.iterdir() if not path.name.endswith(".lock")] == []


def test_another_file_is_not_kept(address):
    with pytest.raises(InputError, match="expected 0000: it is another file"):
        fetch(f"{address}/a.pth", "0000")
    assert not cached_path(f"{address}/a.pth").exists()


def test_addresses_lead_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path))
    path = cached_path("https://example.org/../../%2e%2e/a.pth?v=../1")
    assert tmp_path / "downloads" / "example.org" in path.parents
    assert ".." not in path.parts
