"""Downloads: kept when they are whole, tried again when that may help."""

import functools
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from detic import downloads
from detic.downloads import cached_path, fetch, read_url
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
        elif self.path.startswith("/resumed"):
            self._send_rest(is_first)
        else:
            self.send_response(200)
            kind = "text/html" if self.path == "/page" else "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            is_cut = self.path == "/cut" or (self.path == "/once" and is_first)
            self.wfile.write(CONTENT[:100] if is_cut else CONTENT)

    def _send_rest(self, is_first):
        """Send a file that comes in two pieces; /resumed-changed is another one at the second try."""
        is_changed = self.path == "/resumed-changed" and not is_first
        version = '"2"' if is_changed else '"1"'
        content = CONTENT[::-1] if is_changed else CONTENT
        start = 0
        if "Range" in self.headers and self.headers["If-Range"] == version:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if start == len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("ETag", version)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            shift = 1 if self.path == "/resumed-elsewhere" else 0
            self.send_header(
                "Content-Range", f"bytes {start + shift}-{len(content) - 1}/{len(content)}"
            )
        self.end_headers()
        self.counts.setdefault(f"{self.path} starts", []).append(start)
        self.wfile.write(content[:100] if is_first else content[start:])

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


def test_a_file_that_was_cut_goes_on_where_it_ended(address, counts):
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert fetch(f"{address}/resumed", digest).read_bytes() == CONTENT
    assert counts["/resumed starts"] == [0, 100]


def test_another_process_goes_on_where_one_ended(address, counts, monkeypatch):
    monkeypatch.setattr(downloads, "PAUSES_S", ())
    with pytest.raises(InputError, match="IncompleteRead"):
        fetch(f"{address}/resumed")
    path = cached_path(f"{address}/resumed")
    assert not path.exists()
    assert fetch(f"{address}/resumed").read_bytes() == CONTENT
    assert counts["/resumed starts"] == [0, 100]
    assert {p.name for p in path.parent.iterdir()} == {"resumed", ".resumed.lock"}


def test_what_was_whole_but_for_its_name_is_fetched_anew(address, counts):
    path = cached_path(f"{address}/resumed")
    path.parent.mkdir(parents=True)
    path.with_name(".resumed.part").write_bytes(CONTENT)
    path.with_name(".resumed.version").write_text('"1"')
    counts["/resumed"] = 1  # an earlier process
    assert fetch(f"{address}/resumed").read_bytes() == CONTENT
    assert counts["/resumed starts"] == [0]


@pytest.mark.parametrize(
    ("name", "content", "starts"),
    [
        ("/resumed-changed", CONTENT[::-1], [0, 0]),  # the parts of two files are never joined
        ("/resumed-elsewhere", CONTENT, [0, 100, 0]),  # nor is a part that was not asked for
    ],
)
def test_what_does_not_belong_together_is_fetched_anew(address, counts, name, content, starts):
    assert fetch(address + name).read_bytes() == content
    assert counts[f"{name} starts"] == starts


def test_progress_is_shown(address, monkeypatch, capsys):
    monkeypatch.setattr("detic.progress.MIN_DURATION", 0)
    fetch(f"{address}/a.pth")
    assert f"a.pth: {len(CONTENT)}/{len(CONTENT)}" in capsys.readouterr().err


def test_the_beginning_of_a_digest_is_enough(address):
    digest = hashlib.sha256(CONTENT).hexdigest()[:8]
    assert fetch(f"{address}/a.pth", digest).read_bytes() == CONTENT


def test_another_file_is_not_kept(address):
    with pytest.raises(InputError, match="expected 0000: it is another file"):
        fetch(f"{address}/a.pth", "0000")
    folder = cached_path(f"{address}/a.pth").parent
    assert [path.name for path in folder.iterdir()] == [".a.pth.lock"]


def test_addresses_lead_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path))
    path = cached_path("https://example.org/../../%2e%2e/a.pth?v=../1")
    assert tmp_path / "downloads" / "example.org" in path.parents
    assert ".." not in path.parts


def test_a_file_can_be_read_without_being_kept(address, tmp_path):
    assert read_url(f"{address}/a.png", max_bytes=len(CONTENT)) == CONTENT
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "max_bytes", "message"),
    [
        ("/a.png", len(CONTENT) - 1, r"/a.png has more than 6,999 bytes"),
        ("/gone", len(CONTENT), r"cannot fetch .*/gone \(HTTP Error 404"),
        ("/cut", len(CONTENT), r"cannot fetch .*/cut \(IncompleteRead"),
    ],
)
def test_what_is_not_read_whole_is_refused(address, name, max_bytes, message):
    with pytest.raises(InputError, match=message):
        read_url(address + name, max_bytes)


def test_a_server_that_is_too_slow_is_given_up(address, monkeypatch):
    monkeypatch.setattr(downloads, "WHOLE_TIME_S", -1.0)
    with pytest.raises(InputError, match="not complete after -1 s"):
        read_url(f"{address}/a.png", max_bytes=len(CONTENT))
