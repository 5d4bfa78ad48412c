import json
import pickle
import shutil

import open_clip
import pytest
import torch
from torch.nn import functional as F

from detic.errors import InputError
from detic.vocabulary import open_clip_encoder
from detic.vocabulary.embedding import TextEmbedder, embed
from detic.vocabulary.embedding_file import EmbeddingTable, read_embeddings, write_embeddings
from detic.vocabulary.encoder_identity import is_same_name, local_fingerprint
from detic.vocabulary.open_clip_encoder import OpenClipName, load_open_clip
from detic.vocabulary.vocabulary import Vocabulary
from detic.vocabulary.vocabulary_reader import VocabularyReader
from tests.detic.vocabulary.open_clip_models import FAMILIES, write_model

PETS = Vocabulary.from_names(["cat", "dog", "guinea pig"])
TEXTS = ["a cat", "a dog", "a guinea pig"]


@pytest.fixture
def source(tmp_path):
    return write_model(tmp_path / "clip", "clip")


@pytest.mark.parametrize("family", FAMILIES)
def test_embeddings_are_those_of_the_whole_model(tmp_path, family):
    source = write_model(tmp_path / family, family)
    embedder = TextEmbedder(source, cache_dir=tmp_path / "cache")
    embeddings = embedder.embed(PETS).embeddings

    whole = open_clip.create_model(f"local-dir:{tmp_path / family}").eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{tmp_path / family}")(TEXTS)
    with torch.no_grad():
        expected = whole.encode_text(tokens, normalize=True)
    torch.testing.assert_close(F.normalize(embeddings), expected)
    assert embedder.embed_dim == embeddings.shape[1] == FAMILIES[family]["embed_dim"]


def test_texts_are_remembered_by_encoder(tmp_path, source, monkeypatch):
    other = write_model(tmp_path / "other", "clip", seed=1)
    cache = tmp_path / "cache"
    first = embed(PETS, source, cache_dir=cache).embeddings
    assert not torch.allclose(embed(PETS, other, cache_dir=cache).embeddings, first)
    embedder = TextEmbedder(source, cache_dir=cache)
    monkeypatch.setattr(TextEmbedder, "text_encoder", None)  # not needed
    assert torch.equal(embedder.embed(PETS).embeddings, first)


def test_prompt_is_the_recipes(source, tmp_path):
    reader = VocabularyReader(source, "a blurred {}", 24)
    with torch.no_grad():
        expected = load_open_clip(source)(["a blurred cat"])
    torch.testing.assert_close(reader.read(["cat"]).embeddings, expected)


def test_model_has_its_own_tokenizer(source, monkeypatch):
    asked = []
    tokens = torch.full((1, 16), 7)
    monkeypatch.setattr(
        open_clip, "get_tokenizer", lambda name: lambda texts: asked.extend(texts) or tokens
    )
    encoder = load_open_clip(source)
    assert torch.equal(encoder(["ein Hund"]), encoder.model.encode_text(tokens))
    assert asked == ["ein Hund"]


def test_names_with_a_file(tmp_path, source):
    weights = tmp_path / "w.bin"
    shutil.move(tmp_path / "clip" / "open_clip_pytorch_model.bin", weights)
    config = json.loads((tmp_path / "clip" / "open_clip_config.json").read_text())["model_cfg"]
    (tmp_path / "a-test-clip.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "a-test-clip.json")
    by_name = f"open_clip:a-test-clip:{weights}"
    assert load_open_clip(by_name)(["a cat"]).shape == (1, 24)
    assert local_fingerprint(by_name) == TextEmbedder(by_name).fingerprint
    with pytest.raises(InputError, match=r"no weights 'nope' of a-test-clip.*choose a file"):
        load_open_clip("open_clip:a-test-clip:nope")


def test_embedders_can_be_pickled(source, tmp_path):
    embedder = TextEmbedder(source, cache_dir=tmp_path / "cache")
    again = pickle.loads(pickle.dumps(embedder))
    assert torch.equal(again.embed(PETS).embeddings, embedder.embed(PETS).embeddings)


def write_table(path, source):
    embedder = TextEmbedder(source)
    embeddings = embedder.embed(PETS).embeddings
    names = (embedder.model, embedder.fingerprint)
    write_embeddings(path, EmbeddingTable(embeddings, PETS.names, names[0], (), names[1]))


def test_embeddings_know_their_encoder_and_those_of_another_are_refused(tmp_path, source):
    path = tmp_path / "pets.safetensors"
    write_table(path, source)
    moved = shutil.copytree(tmp_path / "clip", tmp_path / "elsewhere" / "clip")
    read_embeddings(path, 24, text_weights=f"open_clip:local-dir:{moved}")
    other = write_model(tmp_path / "other", "clip", seed=1)
    for stranger in (other, "openai"):
        with pytest.raises(InputError, match="made by a different CLIP"):
            read_embeddings(path, 24, text_weights=stranger)


@pytest.mark.parametrize(
    "change", [{"quick_gelu": True}, {"no_causal_mask": True}, {"pool_type": "last"}]
)
def test_same_weights_in_another_architecture_are_another_encoder(tmp_path, source, change):
    other = shutil.copytree(tmp_path / "clip", tmp_path / "other")
    config = json.loads((other / "open_clip_config.json").read_text())
    section = config["model_cfg"]
    (section if "quick_gelu" in change else section["text_cfg"]).update(change)
    (other / "open_clip_config.json").write_text(json.dumps(config))
    prints = {local_fingerprint(s) for s in (source, f"open_clip:local-dir:{other}")}
    assert len(prints) == 2


def test_weights_cannot_run_code(tmp_path, source):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    torch.save({"state_dict": Trap()}, tmp_path / "clip" / "open_clip_pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_open_clip(source)
    assert not (tmp_path / "sprung").exists()


def test_encoders_without_files_are_compared_by_name():
    siglip = "open_clip:ViT-B-16-SigLIP2:webli"
    assert local_fingerprint(siglip) is None
    assert local_fingerprint("open_clip:hf-hub:nobody/nothing") is None
    assert is_same_name(siglip, siglip)
    assert not is_same_name(siglip, "open_clip:ViT-B-32:webli")
    assert is_same_name("open_clip:ViT-B-32:/a/w.pt", "open_clip:ViT-B-32:/b/w.pt")
    assert not is_same_name("open_clip:ViT-B-32:openai", "openai")


def test_another_width_is_refused(source):
    with pytest.raises(InputError, match="24-wide embeddings, the detector's classifier is 512"):
        VocabularyReader(source, "a", 512).read(["cat"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("open_clip:ViT-B-32", r"names no weights; expected open_clip:MODEL:TAG"),
        ("open_clip:", "names no weights"),
        ("open_clip:ViT-B-23:openai", r"unknown open_clip model 'ViT-B-23'.*did you mean 'ViT-B-"),
        (
            "open_clip:ViT-B-16-SigLIP2:webly",
            "no weights 'webly' of ViT-B-16-SigLIP2.*choose webli",
        ),
        ("open_clip:local-dir:/nowhere", "cannot be loaded: .*nowhere"),
    ],
)
def test_what_open_clip_does_not_know_is_refused(source, message):
    with pytest.raises(InputError, match=message):
        load_open_clip(source)


def test_a_missing_package_of_a_tokenizer_is_named(source, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError("No module named 'transformers'")

    monkeypatch.setattr(open_clip, "get_tokenizer", missing)
    with pytest.raises(InputError, match="pip install transformers"):
        load_open_clip(source)


def test_addresses_have_their_own_weights():
    assert OpenClipName.parse("open_clip:hf-hub:timm/ViT") == ("hf-hub:timm/ViT", "")
    assert open_clip_encoder.is_open_clip("open_clip:x:y")
    assert not open_clip_encoder.is_open_clip("models/open_clip.pt")
