"""Fetching captioned images, from a server on this machine."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from detic.errors import InputError
from detic.preparation.cc3m import (
    CaptionedAddress,
    FetchParams,
    captioned_images,
    fetch_images,
    read_addresses,
)

QUICK = FetchParams(workers=2, timeout_s=0.5, tries=2, pause_s=0.0)


@pytest.fixture
def server(jpeg):
    """The address of a web server, and the paths it was asked for."""
    asked = []
    image = jpeg(6, 4)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if self.path == "/slow":
                released.wait(5)
            status = {"/gone": 404, "/busy": 503}.get(self.path, 200)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>" if self.path == "/page" else image)

        def log_message(self, *args):
            pass

    released = threading.Event()
    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{web.server_port}", asked
    released.set()
    web.shutdown()
    web.server_close()


def fetch(tmp_path, *urls, params=QUICK):
    addresses = [CaptionedAddress(i, f"text {i}", url) for i, url in enumerate(urls, start=1)]
    return fetch_images(addresses, tmp_path / "images", tmp_path / "failed.tsv", params)


def saved(tmp_path):
    return sorted(path.name for path in (tmp_path / "images").iterdir())


def test_images_are_saved_by_line_and_failures_noted(tmp_path, server):
    root, asked = server
    assert fetch(tmp_path, f"{root}/a b?x=1&y=$(z)", f"{root}/gone", f"{root}/page") == 2
    assert saved(tmp_path) == ["1.jpg"]
    assert "/a%20b?x=1&y=$(z)" in asked
    notes = sorted((tmp_path / "failed.tsv").read_text().splitlines())
    assert notes[0].startswith("2\tHTTPError: HTTP Error 404")
    assert notes[1].startswith("3\tUnidentifiedImageError")


def test_an_interrupted_run_goes_on_where_it_was(tmp_path, server):
    root, asked = server
    urls = f"{root}/a", f"{root}/gone"
    fetch(tmp_path, *urls)
    asked.clear()
    assert fetch(tmp_path, *urls, f"{root}/c") == 0
    assert asked == ["/c"]


def test_only_what_may_pass_is_tried_again(tmp_path, server):
    root, asked = server
    assert fetch(tmp_path, f"{root}/busy", f"{root}/gone") == 2
    assert sorted(asked) == ["/busy", "/busy", "/gone"]


def test_a_server_that_does_not_answer_is_given_up(tmp_path, server):
    root, _ = server
    params = FetchParams(workers=1, timeout_s=0.2, tries=1)
    assert fetch(tmp_path, f"{root}/slow", params=params) == 1
    assert "TimeoutError" in (tmp_path / "failed.tsv").read_text()


def test_servers_that_cannot_be_reached_are_tried_again(tmp_path, server, jpeg, caplog):
    with socket.socket() as listener:  # a port that nobody listens to any more
        listener.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}/a"
    assert fetch(tmp_path, closed, "http://no-such-host.invalid/b") == 2
    assert (tmp_path / "failed.tsv").read_text() == ""
    assert "2 servers could not be reached, such as that of " in caplog.text
    assert fetch(tmp_path, f"{server[0]}/a", "http://no-such-host.invalid/b") == 1
    assert saved(tmp_path) == ["1.jpg"]


def test_lists_of_addresses(tmp_path):
    path = tmp_path / "list.tsv"
    path.write_text(
        "a cat\thttp://x/1.jpg\n"
        "no address here\n"
        "with\ttab\thttps://x/3.jpg\n"
        "a file\tfile:///etc/passwd\n"
        "the last\thttp://x/5.jpg"  # no line end
    )
    assert read_addresses(path) == [
        CaptionedAddress(1, "a cat", "http://x/1.jpg"),
        CaptionedAddress(3, "with\ttab", "https://x/3.jpg"),
        CaptionedAddress(5, "the last", "http://x/5.jpg"),
    ]


def test_files_that_are_no_such_list_are_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_addresses(tmp_path / "none.tsv")
    (tmp_path / "a.tsv").write_text("nothing\n")
    with pytest.raises(InputError, match="no line of the form"):
        read_addresses(tmp_path / "a.tsv")


def test_images_that_are_there_are_listed_with_their_captions(tmp_path, jpeg):
    (tmp_path / "2.jpg").write_bytes(jpeg(6, 4))
    (tmp_path / "3.jpg").write_bytes(b"damaged")
    addresses = [CaptionedAddress(i, f"text {i}", "http://x") for i in (1, 2, 3)]
    assert captioned_images(addresses, tmp_path) == [
        {"id": 2, "file_name": "2.jpg", "height": 4, "width": 6, "captions": ["text 2"]}
    ]


def test_sizes_are_remembered_beside_the_images(tmp_path, jpeg, monkeypatch):
    (tmp_path / "2.jpg").write_bytes(jpeg(6, 4))
    addresses = [CaptionedAddress(2, "text 2", "http://x")]
    first = captioned_images(addresses, tmp_path)
    monkeypatch.setattr("detic.datasets.image_sizes.read_image_size", None)
    assert captioned_images(addresses, tmp_path) == first


def test_addresses_that_are_none_are_noted(tmp_path, server):
    assert fetch(tmp_path, "http://[broken", "http://") == 2
    assert saved(tmp_path) == []


def test_a_server_that_trickles_is_given_up(tmp_path, server, monkeypatch):
    monkeypatch.setattr("detic.preparation.cc3m.PATIENCE", -1)
    root, _ = server
    assert fetch(tmp_path, f"{root}/a") == 1
    assert "TimeoutError: only" in (tmp_path / "failed.tsv").read_text()


def test_images_of_unreasonable_size_are_given_up(tmp_path, server, monkeypatch):
    monkeypatch.setattr("detic.preparation.cc3m.MAX_BYTES", 10)
    root, _ = server
    assert fetch(tmp_path, f"{root}/a") == 1
    assert "more than 10 bytes" in (tmp_path / "failed.tsv").read_text()
