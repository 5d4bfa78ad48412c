"""Embeddings of another text encoder than the detector's are refused."""

import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file

from detic.errors import InputError
from detic.vocabulary import weights_fingerprint
from detic.vocabulary.encoder_identity import check_text_encoder, local_fingerprint
from detic.vocabulary.text_weights import OPENAI_MODEL

OTHER = "0" * 16


@pytest.fixture
def no_copy_of_openai(tmp_path, monkeypatch):
    """A machine without OpenAI's weights, and without network."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *args: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *args: pytest.fail("network"))


def test_fingerprint_of_a_file_follows_its_contents(encoder, weights_file, tmp_path):
    before = local_fingerprint(weights_file)
    assert before == weights_fingerprint(weights_file)
    save_file({name: tensor + 1 for name, tensor in encoder.state_dict().items()}, weights_file)
    assert local_fingerprint(weights_file) != before
    assert local_fingerprint(tmp_path / "gone.pt") is None


def test_equal_fingerprints_are_the_same_encoder_whatever_its_name(weights_file):
    check_text_encoder("v.safetensors", "other.pt", weights_fingerprint(weights_file), weights_file)


def test_other_fingerprints_are_another_encoder_even_of_the_same_name(weights_file):
    with pytest.raises(InputError, match=r"v\.safetensors was made by a different CLIP"):
        check_text_encoder("v.safetensors", weights_file.name, OTHER, weights_file)


@pytest.mark.usefixtures("no_copy_of_openai")
@pytest.mark.parametrize("model", [OPENAI_MODEL, "openai", "ViT-B-32.pt", None])
def test_openai_is_known_by_all_its_names_without_the_weights(model):
    check_text_encoder("v.safetensors", model, OTHER, "openai")


@pytest.mark.usefixtures("no_copy_of_openai")
def test_other_names_are_refused_where_no_fingerprint_can_be_compared():
    with pytest.raises(InputError, match=r"text encoder tiny\.pt .*the detector's is openai"):
        check_text_encoder("v.safetensors", "tiny.pt", OTHER, "openai")


def test_names_count_where_the_embeddings_have_no_fingerprint(weights_file):
    check_text_encoder("v.safetensors", f"elsewhere/{weights_file.name}", None, weights_file)
    with pytest.raises(InputError, match="fingerprint unknown"):
        check_text_encoder("v.safetensors", "other.pt", None, weights_file)


def test_a_local_copy_of_openai_is_compared_by_its_fingerprint(
    encoder, weights_file, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    archive = tmp_path / ".cache" / "clip" / "ViT-B-32.pt"
    archive.parent.mkdir(parents=True)
    torch.save(encoder.state_dict(), archive)
    check_text_encoder("v.safetensors", "copy.pt", weights_fingerprint(weights_file), "openai")
    with pytest.raises(InputError, match="different CLIP"):
        check_text_encoder("v.safetensors", OPENAI_MODEL, OTHER, "openai")
