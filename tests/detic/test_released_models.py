import hashlib
from dataclasses import replace

import pytest

from detic import released_models
from detic.errors import InputError
from detic.paths import resource
from detic.recipes import load_recipe
from detic.released_models import RELEASED_MODELS, ReleasedModel, find_model, model_of_recipe

PUBLISHED = [model for model in RELEASED_MODELS.values() if model.url is not None]


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("DETIC_MODELS", str(tmp_path))
    return ReleasedModel("m", tmp_path / "m.yaml", "m.pth", "https://example.org/m.pth")


def test_published_models_are_named_after_their_recipes():
    assert len(PUBLISHED) == 20
    for model in PUBLISHED:
        assert model.recipe.is_file()
        assert model.url == f"https://dl.fbaipublicfiles.com/detic/{model.recipe.stem}.pth"


def test_published_models_have_open_vocabularies():
    for model in PUBLISHED:
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
        assert model_of_recipe(model.recipe) is model
    assert model_of_recipe("configs/Base-C2_L_R5021k_640b64_4x.yaml") is None
    with pytest.raises(InputError, match="did you mean 'shapes-detic'"):
        find_model("shapes-detc")
