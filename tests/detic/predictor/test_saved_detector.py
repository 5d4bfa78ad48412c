"""Detectors are written as folders and read back, from disk and from a hub."""

import functools
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import huggingface_hub.constants
import pytest
import torch

from detic.checkpoint.mmdet import to_mmdet
from detic.errors import InputError
from detic.predictor import Detector
from detic.predictor import detector as detector_module
from detic.released_models import ReleasedModel
from detic.saved_detector import CARD, FILES, SavedDetector, write_detector
from detic.vocabulary import ClassEntry, Vocabulary
from detic.yaml_files import read_yaml
from tests.tiny_detector import EMBEDDING_DIM, OVERRIDES, RECIPE, noise

CLASSES = Vocabulary(
    (
        ClassEntry("cat", synonyms=("kitty",), color=(255, 0, 0)),
        ClassEntry("cougar", parent="cat", score_threshold=0.25),
        ClassEntry("no", negative=True),
    )
)
COMMIT = "0123456789" * 4


@pytest.fixture(scope="module")
def saved(tiny_files, tmp_path_factory):
    """A detector, and the folder that it was saved to."""
    folder = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETIC_CACHE", str(folder / "cache"))
        detector = tiny_files.detector(CLASSES, overrides=[*OVERRIDES, "MODEL.DEVICE", "cpu"])
        detector.save_pretrained(folder / "tiny")
    return detector, folder / "tiny"


def assert_equal(detector, other):
    one, two = detector(noise()), other(noise())
    assert one.boxes_xyxy.tolist() == two.boxes_xyxy.tolist()
    assert one.scores.tolist() == two.scores.tolist()
    assert one.names.tolist() == two.names.tolist()


def test_what_is_saved_is_read_back(saved):
    detector, folder = saved
    again = Detector.from_pretrained(folder, device="cpu", score_threshold=0.0)
    assert again.vocabulary.entries == CLASSES.entries
    assert len(again(noise())) > 5
    assert_equal(again, detector)
    again.set_vocabulary(["dog"])  # by the text encoder of the folder
    assert again.vocabulary.embeddings.shape == (1, EMBEDDING_DIM)


def test_the_recipe_holds_differences_and_nothing_of_the_machine(saved):
    recipe = read_yaml(saved[1] / "recipe.yaml")
    assert recipe["MODEL"]["ROI_BOX_HEAD"]["FC_DIM"] == 32
    assert recipe["INPUT"]["MIN_SIZE_TEST"] == 64
    assert not {"WEIGHTS", "DEVICE"} & recipe["MODEL"].keys()
    assert not {"CAT_FREQ_PATH", "ZEROSHOT_WEIGHT_PATH"} & recipe["MODEL"]["ROI_BOX_HEAD"].keys()
    assert "WEIGHTS" not in recipe["MODEL"].get("TEXT_ENCODER", {})
    assert recipe.keys() <= {"MODEL", "INPUT", "TEST"}


def test_the_card_tells_how_to_use_it(saved):
    assert {path.name for path in saved[1].iterdir()} == set(FILES)
    card = (saved[1] / CARD).read_text()
    assert card.startswith("---\nlibrary_name: detic\n")
    assert "3 classes: `cat`, `cougar`, `no`" in card


def test_what_exists_is_kept(saved, tmp_path):
    with pytest.raises(InputError, match="exists and is kept"):
        saved[0].save_pretrained(tmp_path)


def test_a_detector_without_a_recipe_is_not_saved(saved, tmp_path):
    detector = saved[0]
    made = Detector(
        detector.model,
        detector.input_format,
        detector.vocabulary_reader,
        detector.vocabulary,
        score_threshold=0.5,
    )
    with pytest.raises(InputError, match="made without a recipe"):
        made.save_pretrained(tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("source", ["open_clip:ViT-B-32:mine.pt", "open_clip:local-dir:mine"])
def test_open_clip_models_in_files_of_this_machine_are_not_saved(
    saved, tmp_path, monkeypatch, source
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.pt").touch()
    detector = saved[0]
    with pytest.raises(InputError, match=r"lies in files of this machine .*hf-hub:ORGANISATION"):
        write_detector(
            *("x", detector.recipe, detector.model.state_dict(), detector.vocabulary, source)
        )
    assert not (tmp_path / "x").exists()


def test_open_clip_models_that_anybody_fetches_are_named(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    source, detector = "open_clip:ViT-B-32:openai", saved[0]
    arguments = (detector.recipe, detector.model.state_dict(), detector.vocabulary, source)
    write_detector(tmp_path / "x", *arguments)
    assert read_yaml(tmp_path / "x" / "recipe.yaml")["MODEL"]["TEXT_ENCODER"]["WEIGHTS"] == source
    assert SavedDetector(tmp_path / "x").text_weights is None


def test_a_folder_that_lacks_files_is_refused(tmp_path):
    (tmp_path / "recipe.yaml").write_text("{}")
    with pytest.raises(InputError, match=r"no saved detector: model\.safetensors, vocab"):
        Detector.from_pretrained(tmp_path)


def test_embeddings_of_other_classes_are_refused(saved, tmp_path):
    for path in saved[1].iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "vocabulary.yaml").unlink()
    (tmp_path / "vocabulary.yaml").write_text('[cat, dog, "no"]')
    with pytest.raises(InputError, match="have different classes"):
        _ = SavedDetector(tmp_path).vocabulary


class Hub(BaseHTTPRequestHandler):
    """Answers as the Hugging Face hub does, for one repository."""

    def __init__(self, folder, *args):
        self.folder = folder
        super().__init__(*args)

    def do_GET(self):
        path = urlsplit(self.path).path
        names = [p.name for p in self.folder.iterdir()] + ["evil.py"]
        if not path.removeprefix("/api/models").startswith("/org/tiny/"):
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif path.startswith("/api/models/org/tiny/revision/"):
            siblings = [{"rfilename": name} for name in names]
            counts = {"private": False, "downloads": 0, "likes": 0, "tags": []}
            self._send_json({"id": "org/tiny", "sha": COMMIT, "siblings": siblings, **counts})
        elif path.startswith("/api/models/org/tiny/tree/"):
            tree = [{"type": "file", "path": n, "size": 1, "oid": f"{n}-1"} for n in names]
            self._send_json(tree)
        else:
            name = path.rpartition("/")[2]
            headers = {"ETag": f'"{name}-1"', "X-Repo-Commit": COMMIT}
            self._send(200, (self.folder / name).read_bytes(), headers)

    do_HEAD = do_GET

    def _send_json(self, content):
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status, content, headers):
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with HTTPServer(("127.0.0.1", 0), functools.partial(Hub, saved[1])) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path / "hub"
        server.shutdown()


def test_detectors_come_from_the_hub_without_its_other_files(saved, hub):
    detector = Detector.from_pretrained("hf://org/tiny", device="cpu", score_threshold=0.0)
    assert_equal(detector, saved[0])
    assert not list(hub.rglob("evil.py"))


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", ["hf://org/other", "hf://", "hf://a/b/c"])
def test_what_the_hub_does_not_have_is_said(name):
    with pytest.raises(InputError, match=f"cannot fetch {name} .*check the name"):
        Detector.from_pretrained(name)


def test_weights_of_mmdetection_are_verified_and_converted(tiny_files, tmp_path, monkeypatch):
    ours = torch.load(tiny_files.weights, weights_only=True)["model"]
    torch.save({"state_dict": to_mmdet(ours).tensors, "meta": {}}, tmp_path / "m.pth")
    digits = hashlib.sha256((tmp_path / "m.pth").read_bytes()).hexdigest()[:8]
    monkeypatch.setenv("DETIC_MODELS", str(tmp_path))
    model = ReleasedModel("m", RECIPE, "m.pth", None, digits, tiny_files.text_weights)
    monkeypatch.setattr(detector_module, "find_model", {"m": model}.get)
    options = {"device": "cpu", "score_threshold": 0.0, "overrides": OVERRIDES}
    converted = Detector.from_pretrained("m", ["cat"], **options)
    assert_equal(converted, tiny_files.detector(["cat"]))
