import numpy as np
import pytest
import torch

from detic.errors import InputError
from detic.vocabulary import EmbeddingTable, Vocabulary, write_embeddings
from detic.vocabulary.vocabulary_reader import VocabularyReader
from tests.tiny_detector import EMBEDDING_DIM

pytestmark = pytest.mark.usefixtures("own_text_cache")


@pytest.fixture
def reader(tiny_files):
    return VocabularyReader(tiny_files.text_weights, "a", EMBEDDING_DIM)


def write_table(path, **fields):
    names = ("cat", "dog")
    table = EmbeddingTable(torch.ones(2, EMBEDDING_DIM), names=names, **fields)
    write_embeddings(path, table)
    return path


def test_lists_files_and_embeddings_are_the_same_vocabulary(reader, tmp_path):
    (tmp_path / "v.txt").write_text("cat\ndog\n")
    expected = reader.read(["cat ", "dog"])
    assert expected.embeddings.shape == (2, EMBEDDING_DIM)
    for source in (
        tmp_path / "v.txt",
        str(tmp_path / "v.txt"),
        Vocabulary.from_names(expected.names),
    ):
        torch.testing.assert_close(reader.read(source).embeddings, expected.embeddings)


def test_prompt_is_that_of_the_detector(reader, tiny_files):
    bare = VocabularyReader(tiny_files.text_weights, "none", EMBEDDING_DIM)
    torch.testing.assert_close(bare.read(["a cat"]).embeddings, reader.read(["cat"]).embeddings)


def test_builtin_list_takes_the_released_embeddings_if_they_are_there(tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    (tmp_path / "metadata").mkdir()
    released = np.random.default_rng(0).normal(size=(80, 512)).astype(np.float16)
    np.save(tmp_path / "metadata" / "coco_clip_a+cname.npy", released)
    vocabulary = VocabularyReader("openai", "a", 512).read("coco")
    assert vocabulary.names[0] == "person"
    np.testing.assert_array_equal(vocabulary.embeddings.numpy(), released.astype(np.float32))


def test_builtin_list_is_embedded_for_other_text_encoders(reader, tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    (tmp_path / "metadata").mkdir()
    np.save(tmp_path / "metadata" / "coco_clip_a+cname.npy", np.ones((80, 512), np.float16))
    assert reader.read("coco").embeddings.shape == (80, EMBEDDING_DIM)


def test_embedding_file_of_the_same_encoder_is_taken(reader, tmp_path):
    path = write_table(tmp_path / "v.safetensors", fingerprint=reader.embedder.fingerprint)
    vocabulary = reader.read(path)
    assert vocabulary.names == ("cat", "dog")
    assert vocabulary.embeddings.tolist() == torch.ones(2, EMBEDDING_DIM).tolist()


def test_embedding_file_of_another_encoder_is_refused(reader, tmp_path):
    path = write_table(tmp_path / "v.safetensors", fingerprint="0" * 16, model="other.pt")
    with pytest.raises(
        InputError, match=r"made by a different CLIP: by the text encoder other\.pt"
    ):
        reader.read(path)


def test_embeddings_without_names_are_refused(reader, tmp_path):
    np.save(tmp_path / "v.npy", np.ones((2, EMBEDDING_DIM), np.float32))
    with pytest.raises(InputError, match="holds embeddings without names"):
        reader.read(tmp_path / "v.npy")


def test_embeddings_of_another_width_are_refused(reader):
    wide = Vocabulary.from_names(["cat"]).with_embeddings(torch.ones(1, 64))
    with pytest.raises(InputError, match="are 64 wide, the detector's classifier is 8 wide"):
        reader.read(wide)


def test_text_encoder_of_another_width_is_refused(tiny_files):
    with pytest.raises(InputError, match=r"MODEL\.TEXT_ENCODER\.WEIGHTS"):
        VocabularyReader(tiny_files.text_weights, "a", 512).read(["cat"])


def test_unknown_vocabulary_lists_the_choices(reader):
    with pytest.raises(InputError, match=r"unknown vocabulary 'lviz'; choose lvis, coco.*'lvis'\?"):
        reader.read("lviz")
