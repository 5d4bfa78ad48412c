"""Images of any kind, from memory, files, folders and a server on this machine."""

import functools
import io
import pickle
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import cv2
import fsspec
import numpy as np
import pytest
import torch
from PIL import Image

from detic import image_sources
from detic.errors import InputError
from detic.image_sources import ImageSource, image_source, load_image, several_images
from tests.tiny_detector import noise


def png(image=None):
    return cv2.imencode(".png", noise() if image is None else image)[1].tobytes()


class Handler(BaseHTTPRequestHandler):
    """Serves one image at /a.png."""

    def __init__(self, counts, *args):
        self.counts = counts
        super().__init__(*args)

    def do_GET(self):
        self.counts.append(self.path)
        if not self.path.startswith("/a.png"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(png())))
        self.end_headers()
        self.wfile.write(png())

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """The address of a server, and the list of the paths that were asked for."""
    asked = []
    http_server = HTTPServer(("127.0.0.1", 0), functools.partial(Handler, asked))
    thread = threading.Thread(target=http_server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http_server.server_port}", asked
    http_server.shutdown()
    thread.join()
    http_server.server_close()


def test_files_are_read_as_opencv_reads_them(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), noise())
    np.testing.assert_array_equal(load_image(tmp_path / "a.png"), noise())
    cv2.imwrite(str(tmp_path / "grey.png"), noise()[:, :, 0])
    assert load_image(str(tmp_path / "grey.png")).shape == (60, 80, 3)


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no image '.*missing.jpg'"):
        load_image(tmp_path / "missing.jpg")
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(InputError, match=r"text.jpg' is not an image, or it is damaged"):
        load_image(tmp_path / "text.jpg")
    cv2.imwrite(str(tmp_path / "whole.png"), noise())
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cannot read the image '.*cut.png'"):
        load_image(tmp_path / "cut.png")


@pytest.mark.parametrize(
    "image",
    [
        png(),
        bytearray(png()),
        memoryview(png()),
        Image.fromarray(noise()[:, :, ::-1]),
        Image.open(io.BytesIO(png())),
        noise(),
        torch.from_numpy(noise()[:, :, ::-1].copy()).permute(2, 0, 1),
    ],
    ids=["bytes", "bytearray", "memoryview", "Pillow", "Pillow of a file", "array", "tensor"],
)
def test_images_in_memory_have_the_same_pixels(image):
    np.testing.assert_array_equal(load_image(image), noise())


def test_pillow_images_are_turned_as_their_files_are(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise()).save(tmp_path / "turned.png", exif=exif)
    from_path = load_image(tmp_path / "turned.png")
    assert from_path.shape == (80, 60, 3)
    np.testing.assert_array_equal(load_image(Image.open(tmp_path / "turned.png")), from_path)


def test_what_is_no_image_is_refused():
    with pytest.raises(InputError, match=r"an image must be a path, an address, .* not NoneType"):
        load_image(None)
    with pytest.raises(InputError, match="what was given is not an image, or it is damaged"):
        load_image(b"no image")


def test_addresses_are_fetched_once(server):
    address, asked = server
    source = image_source(f"{address}/a.png?size=large").fetched()
    for _ in range(2):
        np.testing.assert_array_equal(source.read(), noise())
    assert asked == ["/a.png?size=large"]


def test_what_cannot_be_fetched_is_named(server, monkeypatch):
    address, _ = server
    with pytest.raises(InputError, match=rf"cannot fetch {address}/b.png \(HTTP Error 404"):
        load_image(f"{address}/b.png")
    monkeypatch.setattr(image_sources, "MAX_FILE_BYTES", 100)
    with pytest.raises(InputError, match=r"a.png has more than 100 bytes"):
        load_image(f"{address}/a.png")


def test_other_addresses_are_those_of_fsspec(monkeypatch):
    with fsspec.open("memory://photos/a.png", "wb") as file:
        file.write(png())
    np.testing.assert_array_equal(load_image("memory://photos/a.png"), noise())
    with pytest.raises(InputError, match=r"cannot fetch memory://photos/b.png"):
        load_image("memory://photos/b.png")
    with pytest.raises(InputError, match=r"there is no image 'nothing://a.png'"):
        load_image("nothing://a.png")
    monkeypatch.setattr(
        fsspec, "open", lambda *_: (_ for _ in ()).throw(ImportError("Install s3fs"))
    )
    with pytest.raises(InputError, match=r"cannot fetch s3://bucket/a.png \(Install s3fs\)"):
        load_image("s3://bucket/a.png")


def test_folders_patterns_and_iterables_are_several_images(tmp_path):
    for name in ("b.png", "a.JPG", "note.txt", "more/c.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert list(several_images(tmp_path)) == [tmp_path / "a.JPG", tmp_path / "b.png"]
    assert list(several_images(f"{tmp_path}/**/*.png")) == [
        tmp_path / "b.png",
        tmp_path / "more" / "c.png",
    ]
    generator = (image for image in ["a.png"])
    assert several_images(generator) is generator
    for one in (tmp_path / "b.png", "missing.png", "http://a.org/*.png", png(), noise(), None):
        assert several_images(one) is None
    assert several_images(Image.fromarray(noise())) is None
    assert several_images(torch.zeros(3, 4, 5)) is None
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.txt").touch()
    with pytest.raises(InputError, match=r"no images in .*empty; left out 1 file .*a.txt"):
        several_images(tmp_path / "empty")


def test_pickles_hold_the_place_of_an_image_and_not_its_pixels(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png())
    again = pickle.loads(pickle.dumps(image_source(path)))
    np.testing.assert_array_equal(again.read(), noise())
    large = pickle.dumps(image_source(noise(500, 500)))
    assert len(large) < 500
    with pytest.raises(InputError, match="not in the pickle, or the copy, of its detections"):
        pickle.loads(large).read()


def test_pillow_images_know_their_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png())
    assert image_source(Image.open(path)).name == str(path)
    assert ImageSource("a.png").name == image_source(Path("a.png")).name
