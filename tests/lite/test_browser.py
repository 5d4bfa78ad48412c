"""The same objects are found in a browser, by onnxruntime-web in Chromium without a window.

It needs Chromium and, in the environment, ONNXRUNTIME_WEB: the folder ``dist`` of the npm package
onnxruntime-web. `make test-extras` runs it.
"""

import json
import os
import shutil
import subprocess
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue

import numpy as np
import pytest
from PIL import Image

from detic.paths import resource
from detic_lite import LiteDetector
from detic_lite.images import load_image, network_input
from detic_lite.masks import paste_masks

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).resolve().parents[2] / "lite" / "browser"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
NAMES = ["green gear", "Yellow mug", "it’s a red star", "blue ﬁsh 12"]
SIZES_WH = [None, (333, 200), (47, 33)]
PAGE = """<script type="module">
  import * as ort from "./ort/ort.wasm.min.mjs";
  import { Detector, draw, pasteMask } from "./detic.js";
  import { networkInput, pixelsOf, resizedSize } from "./images.js";
  const told = {};
  try {
    ort.env.wasm.numThreads = 1;
    const detector = await Detector.open(ort, "m.onnx?v=1");
    detector.scoreThreshold = 0.02;
    told.metadata = detector.metadata;
    told.embeddings = Array.from(await detector.embed(NAMES));
    await detector.setVocabulary("classes.safetensors");
    told.fromFile = Array.from(detector.classes.embeddings);
    await detector.setVocabulary("halves.safetensors");
    told.fromHalves = Array.from(detector.classes.embeddings);
    told.refused = {};
    for (const name of ["unnamed", "other"]) {
      await detector.setVocabulary(`${name}.safetensors`).catch((error) => (told.refused[name] = error.message));
    }
    detector.embed = async (names) => {
      await new Promise((resolve) => setTimeout(resolve, 100 * names.length));
      return new Float32Array(0);
    };
    await Promise.all([["slow", "cat"], ["dog"]].map((names) => detector.setVocabulary(names)));
    told.afterTwoAtOnce = detector.classes.names;
    delete detector.embed;
    await detector.setVocabulary(NAMES);
    told.images = [];
    for (let i = 0; i < NUM_IMAGES; i++) {
      const image = await createImageBitmap(await (await fetch(`${i}.png`)).blob());
      const pixels = pixelsOf(image);
      const size = resizedSize(pixels.width, pixels.height, detector.metadata);
      const found = await detector.detect(image);
      const { width, height } = image;
      const canvas = new OffscreenCanvas(width, height);
      draw(canvas, found);
      const drawn = canvas.getContext("2d").getImageData(0, 0, width, height).data;
      told.images.push({
        drawn: drawn.some((value) => value > 0),
        input: Array.from(networkInput(pixels, size, detector.metadata).data),
        found: found.map((one) => ({ ...one, mask: Array.from(one.mask) })),
        pasted: found.map(({ mask, maskBox }) => Array.from(pasteMask(mask, maskBox, width, height))),
      });
    }
  } catch (error) {
    told.error = String(error.stack ?? error);
  }
  await fetch("/told", { method: "POST", body: JSON.stringify(told) });
</script>"""


class Handler(SimpleHTTPRequestHandler):
    """Server of a folder that puts into a queue what a page tells."""

    def __init__(self, *args, told: Queue, **kwargs):
        self.told = told
        super().__init__(*args, **kwargs)

    def do_POST(self):
        self.told.put(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def model(exported) -> Path:
    ort = os.environ.get("ONNXRUNTIME_WEB")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    if ort is None:
        pytest.skip("needs onnxruntime-web; name its folder dist in ONNXRUNTIME_WEB")
    return exported("onnx")


@pytest.fixture(scope="module")
def lite(model) -> LiteDetector:
    return LiteDetector(model, NAMES, score_threshold=0.02)


@pytest.fixture(scope="module")
def told(model, lite, tmp_path_factory) -> dict:
    """What a page tells of the images of ``SIZES_WH``."""
    folder = tmp_path_factory.mktemp("site")
    for path in (*SCRIPTS.glob("*.js"), *model.parent.iterdir()):
        (folder / path.name).symlink_to(path)
    (folder / "ort").symlink_to(os.environ["ONNXRUNTIME_WEB"])
    scene = Image.open(resource("docs/pictures/scene.png")).convert("RGB")
    for i, size_wh in enumerate(SIZES_WH):
        scene.resize(size_wh or scene.size).save(folder / f"{i}.png")
    write_classes(folder, lite)
    page = PAGE.replace("NUM_IMAGES", str(len(SIZES_WH))).replace("NAMES", json.dumps(NAMES))
    (folder / "page.html").write_text(page)
    return shown(folder) | {"folder": folder}


def write_classes(folder: Path, lite: LiteDetector) -> None:
    import torch

    from detic.vocabulary import EmbeddingTable, write_embeddings

    about = (lite.metadata.text_encoder, (), lite.metadata.text_encoder_fingerprint)
    table = EmbeddingTable(torch.from_numpy(lite.embed(NAMES)), tuple(NAMES), *about)
    write_embeddings(folder / "classes.safetensors", table)
    halves = replace(table, embeddings=table.embeddings.half())
    write_embeddings(folder / "halves.safetensors", halves)
    write_embeddings(folder / "unnamed.safetensors", replace(table, names=None))
    other = replace(table, model="other.pt", fingerprint=None)
    write_embeddings(folder / "other.safetensors", other)


def shown(folder: Path) -> dict:
    """Return what page.html tells when Chromium shows it."""
    queue: Queue = Queue()
    handler = partial(Handler, told=queue, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/page.html"
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0")
        profile = f"--user-data-dir={folder / 'profile'}"
        browser = subprocess.Popen(
            [CHROMIUM, *flags, profile, address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            told = json.loads(queue.get(timeout=120))
        except Empty:
            pytest.fail("the page told nothing")
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
    assert "error" not in told, told["error"]
    return told


def test_metadata_are_read_from_the_file(told, lite):
    assert told["metadata"]["recipe"]
    assert told["metadata"]["embedding_dim"] == lite.metadata.embedding_dim


def test_names_have_the_same_embeddings(told, lite):
    expected = lite.embed(NAMES).ravel()
    assert np.abs(np.array(told["embeddings"]) - expected).max() < 1e-5
    assert told["fromFile"] == expected.tolist()
    assert told["fromHalves"] == expected.astype(np.float16).tolist()


def test_embeddings_that_do_not_fit_are_refused(told):
    assert "without their names" in told["refused"]["unnamed"]
    assert "of another text encoder" in told["refused"]["other"]


def test_of_two_vocabularies_at_once_the_last_counts(told):
    assert told["afterTwoAtOnce"] == ["dog"]


@pytest.mark.parametrize("i", range(len(SIZES_WH)))
def test_all_objects_are_equal(told, lite, i):
    path = told["folder"] / f"{i}.png"
    of_image = told["images"][i]
    given = network_input(load_image(path), lite.metadata).pixels
    assert of_image["input"] == given.ravel().tolist()
    assert of_image["drawn"]
    found, expected = of_image["found"], lite(path)
    assert len(found) == len(expected) > 0
    assert [one["name"] for one in found] == expected.names.tolist()
    boxes = np.array([one["box"] for one in found])
    assert np.abs(boxes - expected.boxes_xyxy).max() < 0.02
    assert np.abs([one["score"] for one in found] - expected.scores).max() < 1e-4
    pasted = np.array(of_image["pasted"]).reshape(expected.masks.shape)
    masks = np.array([one["mask"] for one in found], np.float32).reshape(-1, 28, 28)
    in_python = paste_masks(masks, boxes.astype(np.float32), expected.image_size_hw)
    assert (pasted != in_python).mean() <= 1e-5
    assert (pasted != expected.masks).mean() <= 1e-4
