import time

import pytest
import torch
from torch.nn import functional as F

from detic.vocabulary import text_encoder
from detic.vocabulary.builtin import builtin_vocabulary
from detic.vocabulary.embedding import (
    TextEmbedder,
    class_prompts,
    embed,
    encode_names,
    encode_texts,
    merge_prompts,
)
from detic.vocabulary.text_encoder import CLIPTextEncoder
from detic.vocabulary.vocabulary import ClassEntry, Vocabulary

PETS = Vocabulary.from_names(["cat", "dog", "hamster"])


@pytest.fixture
def cache_dir(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def encoded(monkeypatch):
    """The texts that went through an encoder, in order."""
    texts = []
    forward = CLIPTextEncoder.forward
    monkeypatch.setattr(
        CLIPTextEncoder, "forward", lambda self, batch: texts.extend(batch) or forward(self, batch)
    )
    return texts


def test_single_prompt_keeps_the_raw_feature(encoder, weights_file, cache_dir):
    embeddings = embed(PETS, weights_file, cache_dir=cache_dir).embeddings
    torch.testing.assert_close(embeddings, encoder(["a cat", "a dog", "a hamster"]).detach())
    assert embeddings.dtype == torch.float32
    assert not embeddings.requires_grad


def test_ensemble_is_the_mean_of_normalised_features():
    features = torch.tensor([[3.0, 4.0], [0.0, 2.0], [6.0, 8.0]])
    merged = merge_prompts(features, [1, 2])
    torch.testing.assert_close(merged, torch.tensor([[3.0, 4.0], [0.3, 0.9]]))


def test_prompts_of_a_class_multiply_templates_and_synonyms():
    entry = ClassEntry("mug", synonyms=("mug", "cup"))
    assert class_prompts(entry, ["a {}", "{}"]) == [
        ("a {}", "mug"),
        ("a {}", "cup"),
        ("{}", "mug"),
        ("{}", "cup"),
    ]


def test_own_prompts_replace_the_templates_and_sentences_stand_alone():
    entry = ClassEntry("mug", synonyms=("cup",), prompts=("my red mug", "the {}"))
    expected = [("{}", "my red mug"), ("the {}", "mug"), ("the {}", "cup")]
    assert class_prompts(entry, ["a {}"]) == expected


def test_synonyms_are_averaged(encoder, weights_file, cache_dir):
    mug = Vocabulary((ClassEntry("mug", synonyms=("cup",)),))
    embeddings = embed(mug, weights_file, cache_dir=cache_dir).embeddings
    expected = F.normalize(encoder(["a mug", "a cup"])).mean(dim=0, keepdim=True).detach()
    torch.testing.assert_close(embeddings, expected)


def test_templates_are_averaged_with_and_without_the_cache(encoder, weights_file, cache_dir):
    templates = ["photo", "none"]
    direct = encode_names(PETS.names, encoder, templates)
    cached = embed(PETS, weights_file, templates, cache_dir).embeddings
    torch.testing.assert_close(cached, direct)


def test_known_names_are_never_encoded_twice(weights_file, cache_dir, encoded):
    first = embed(PETS, weights_file, cache_dir=cache_dir)
    assert sorted(encoded) == ["a cat", "a dog", "a hamster"]
    encoded.clear()
    grown = Vocabulary.from_names(["fish", *PETS.names])
    second = embed(grown, weights_file, cache_dir=cache_dir)
    assert encoded == ["a fish"]
    assert torch.equal(second.embeddings[1:], first.embeddings)


def test_encoder_is_not_built_for_known_names(weights_file, cache_dir, monkeypatch):
    embed(PETS, weights_file, cache_dir=cache_dir)
    monkeypatch.setattr(
        text_encoder, "text_encoder_from_weights", lambda weights: pytest.fail("built")
    )
    embed(PETS, weights_file, cache_dir=cache_dir)


def test_repeated_names_are_encoded_once(weights_file, cache_dir, encoded):
    benches = embed(Vocabulary.from_names(["Bench", "Bench"]), weights_file, cache_dir=cache_dir)
    assert encoded == ["a Bench"]
    assert torch.equal(benches.embeddings[0], benches.embeddings[1])


def test_cache_follows_the_environment(weights_file, cache_dir, monkeypatch):
    monkeypatch.setenv("DETIC_CACHE", str(cache_dir))
    embed(PETS, weights_file)
    assert len(list(cache_dir.glob("texts_*.safetensors"))) == 1


def test_order_and_batches_do_not_matter(encoder):
    texts = ["a big black dog", "cat", "a dog", "", "hamster"]
    in_one = encode_texts(texts, encoder)
    torch.testing.assert_close(encode_texts(texts, encoder, batch_size=2), in_one)
    torch.testing.assert_close(torch.stack([encoder([t])[0].detach() for t in texts]), in_one)


@pytest.mark.parametrize(("count", "shown"), [(256, False), (257, True)])
def test_progress_is_shown_from_257_texts_on(count, shown, encoder, capfd, monkeypatch):
    monkeypatch.setattr("detic.progress.MIN_DURATION", 0)
    encode_texts(["cat"] * count, encoder)
    assert ("embedding class names" in capfd.readouterr().err) == shown


def test_22047_known_classes_reload_in_under_a_second(weights_file, cache_dir):
    embedder = TextEmbedder(weights_file, cache_dir=cache_dir)
    classes = builtin_vocabulary("imagenet21k")
    embedder.cache.store("a {}", {name: torch.zeros(512) for name in classes.names})
    start = time.process_time()
    assert embedder.embed(classes).embeddings.shape == (22047, 512)
    assert time.process_time() - start < 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_embeddings_equal_cpu_embeddings(weights_file, tmp_path):
    on_cpu = embed(PETS, weights_file, cache_dir=tmp_path / "cpu").embeddings
    on_cuda = embed(PETS, weights_file, cache_dir=tmp_path / "cuda", device="cuda").embeddings
    torch.testing.assert_close(on_cuda, on_cpu, atol=1e-3, rtol=1e-3)
