import functools
import hashlib
import re
import threading
from dataclasses import replace
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from detic import released_models
from detic.errors import InputError
from detic.paths import resource
from detic.recipes import load_recipe
from detic.released_models import (
    RELEASED_MODELS,
    SHORT_NAMES,
    ReleasedModel,
    find_model,
    model_of_recipe,
)

FETCHED = [model for model in RELEASED_MODELS.values() if model.url is not None]
OPENMMLAB = [model for model in FETCHED if "openmmlab" in model.url]
PUBLISHED = [model for model in FETCHED if model not in OPENMMLAB]


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("DETIC_MODELS", str(tmp_path))
    return ReleasedModel("m", tmp_path / "m.yaml", "m.pth", "https://example.org/m.pth")


def test_published_models_are_named_after_their_recipes():
    assert len(PUBLISHED) == 20
    for model in PUBLISHED:
        assert model.recipe.is_file()
        assert model.url == f"https://dl.fbaipublicfiles.com/detic/{model.recipe.stem}.pth"


def test_openmmlab_has_a_folder_for_each_name_and_digests_in_its_file_names():
    assert len(OPENMMLAB) == 9
    for model in OPENMMLAB:
        folder, file_name = model.url.removeprefix(
            "https://download.openmmlab.com/mmdetection/v3.0/detic/"
        ).split("/")
        assert folder == model.name
        assert file_name == model.file_name
        assert re.fullmatch(rf"{model.name}(_\d{{8}}(_\d{{6}})?)?-{model.sha256}\.pth", file_name)
        assert re.fullmatch("[0-9a-f]{8}", model.sha256)


def test_openmmlab_names_say_what_their_recipes_are():
    for model in OPENMMLAB:
        cfg = load_recipe(model.recipe)
        assert ("swin-b" in model.name) == ("SwinB" in model.recipe.name)
        assert ("in21k" in model.name) == cfg.WITH_IMAGE_LABELS
        assert ("lvis-base" in model.name) == ("Lbase" in model.recipe.name)
        assert ("coco" in model.name) == ("LCOCO" in model.recipe.name)


def test_models_that_are_fetched_have_open_vocabularies():
    for model in FETCHED:
        assert load_recipe(model.recipe).MODEL.ROI_BOX_HEAD.USE_ZEROSHOT_CLS


def test_local_copies_come_first(model, tmp_path):
    (tmp_path / "m.pth").touch()
    assert model.find_weights() == tmp_path / "m.pth"


def test_missing_copies_are_fetched(model, tmp_path, monkeypatch):
    fetched = {(model.url, None): tmp_path / "cached.pth"}
    monkeypatch.setattr(released_models, "fetch", lambda *asked: fetched[asked])
    assert model.find_weights() == tmp_path / "cached.pth"


def test_failed_download_says_where_to_put_the_file(model, tmp_path, monkeypatch):
    def refuse(url, sha256):
        raise InputError(f"cannot fetch {url} (no route to host)")

    monkeypatch.setattr(released_models, "fetch", refuse)
    with pytest.raises(InputError, match="no route to host") as error:
        model.find_weights()
    assert model.url in str(error.value)
    assert str(tmp_path / "m.pth") in str(error.value)


def test_models_that_cannot_be_fetched_say_so(model):
    with pytest.raises(InputError, match=r"no weights of 'm' at .*they come with the project"):
        replace(model, url=None).find_weights()


def test_known_checksums_are_verified(model, tmp_path):
    (tmp_path / "m.pth").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert replace(model, sha256=digest).find_weights() == tmp_path / "m.pth"
    (tmp_path / "m.pth").write_bytes(b"damaged")
    with pytest.raises(InputError, match="is damaged or another file"):
        replace(model, sha256=digest).find_weights()


def test_weights_that_come_with_the_project_have_their_checksums():
    own = [model for model in RELEASED_MODELS.values() if model.url is None]
    assert len(own) == 2
    for model in own:
        weights = resource("models") / model.file_name
        assert model.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_unknown_checksums_are_confessed(model, tmp_path, caplog):
    (tmp_path / "m.pth").touch()
    with caplog.at_level("INFO"):
        model.find_weights()
    assert "is not verified" in caplog.text


def test_models_are_found_by_name_and_by_recipe():
    for model in RELEASED_MODELS.values():
        assert find_model(model.name) is model
        assert model_of_recipe(model.recipe).recipe == model.recipe
    for model in PUBLISHED:  # which came with their recipes
        assert model_of_recipe(model.recipe) is model
    assert model_of_recipe("configs/Base-C2_L_R5021k_640b64_4x.yaml") is None


def test_short_names_and_other_spellings():
    for short, name in SHORT_NAMES.items():
        assert find_model(short) is RELEASED_MODELS[name]
    assert find_model("detic-r18").recipe.name.startswith("Detic_LCOCOI21k_CLIP_R18_")
    theirs = find_model("detic_centernet2_swin-b_fpn_4x_lvis_coco_in21k")
    assert theirs.name == "detic_centernet2_swin-b_fpn_4x_lvis-coco-in21k"


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("shapes-detc", "did you mean 'shapes-detic'"),
        ("detic-swinb", "did you mean 'detic-swin-b'"),
        ("BoxSup_OVCOCO_CLIP_R50", "did you mean 'BoxSup_OVCOCO_CLIP_R50_1x'"),
    ],
)
def test_an_unknown_name_shows_the_nearest_and_the_short_ones(given, nearest):
    with pytest.raises(InputError, match=nearest) as caught:
        find_model(given)
    assert all(name in str(caught.value) for name in SHORT_NAMES)
    assert "31 are in docs/models.md" in str(caught.value)


def test_the_page_of_models_has_all_names():
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    for name in [*SHORT_NAMES, *(model.name for model in FETCHED)]:
        assert f"`{name}`" in page, name


def test_beginnings_of_checksums_are_verified(model, tmp_path):
    (tmp_path / "m.pth").write_bytes(b"weights")
    digits = hashlib.sha256(b"weights").hexdigest()[:8]
    assert replace(model, sha256=digits).find_weights() == tmp_path / "m.pth"
    with pytest.raises(InputError, match="is damaged or another file"):
        replace(model, sha256="00000000").find_weights()


def test_a_mirror_serves_instead(model, tmp_path, monkeypatch):
    monkeypatch.setenv("DETIC_MODEL_URL", "http://mirror.example/detic/")
    fetched = {("http://mirror.example/detic/m.pth", None): tmp_path / "cached.pth"}
    monkeypatch.setattr(released_models, "fetch", lambda *asked: fetched[asked])
    assert model.find_weights() == tmp_path / "cached.pth"
    monkeypatch.setenv("DETIC_MODEL_URL", "/mnt/models")
    with pytest.raises(InputError, match=r"expected an address.*named by DETIC_MODELS"):
        model.find_weights()


@pytest.mark.parametrize("is_right", [True, False])
def test_what_the_mirror_sends_is_verified(model, tmp_path, monkeypatch, is_right):
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DETIC_MODELS", str(tmp_path / "models"))
    (tmp_path / "m.pth").write_bytes(b"weights" if is_right else b"another file")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *args: None)
    named = replace(model, sha256=hashlib.sha256(b"weights").hexdigest()[:8])
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DETIC_MODEL_URL", f"http://127.0.0.1:{server.server_port}")
        if is_right:
            assert named.find_weights().read_bytes() == b"weights"
        else:
            with pytest.raises(InputError, match="it is another file"):
                named.find_weights()
        server.shutdown()
    assert len(list((tmp_path / "cache").rglob("*m.pth"))) == is_right
