"""The classes of a model, from names or from embeddings."""

import numpy as np
import pytest
import torch

from detic.errors import InputError
from detic.vocabulary import EmbeddingTable, encode_names, write_embeddings
from detic.vocabulary.model_classes import embed_class_list, is_class_list, model_class_names


@pytest.fixture
def names_file(tmp_path, monkeypatch):
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "names.txt"
    path.write_text("cat\ngull\n")
    return path


def test_names_come_from_class_lists_and_from_embeddings_that_have_them(names_file, tmp_path):
    assert model_class_names(names_file) == ("cat", "gull")
    table = EmbeddingTable(torch.ones(2, 8), names=("fox", "hen"))
    write_embeddings(tmp_path / "classes.safetensors", table)
    assert model_class_names(tmp_path / "classes.safetensors") == ("fox", "hen")


def test_embeddings_without_names_are_no_list_of_classes(tmp_path):
    np.save(tmp_path / "classes.npy", np.ones((2, 8), np.float32))
    with pytest.raises(InputError, match=r"classes\.npy holds embeddings without names.*\.txt"):
        model_class_names(tmp_path / "classes.npy")


def test_only_class_lists_are_embedded():
    assert [is_class_list(f"a{x}") for x in (".txt", ".yaml", ".json")] == [True] * 3
    assert not is_class_list("a.npy")
    assert not is_class_list("rand")


def test_a_class_list_is_embedded_with_the_prompt(names_file, weights_file, encoder):
    embeddings = embed_class_list(names_file, weights_file, "a", 8, 2)
    torch.testing.assert_close(embeddings, encode_names(["cat", "gull"], encoder, "a"))


def test_a_list_that_has_changed_is_embedded_anew(names_file, weights_file):
    first = embed_class_list(names_file, weights_file, "a", 8, 2)
    names_file.write_text("cat\nheron\n")
    second = embed_class_list(names_file, weights_file, "a", 8, 2)
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])


@pytest.mark.parametrize(
    ("dim", "classes", "message"),
    [
        (8, 3, r"names 2 classes, MODEL.ROI_HEADS.NUM_CLASSES is 3; set .*NUM_CLASSES to 2"),
        (16, 2, "makes 8-wide embeddings, the detector's classifier is 16 wide"),
    ],
)
def test_a_list_that_does_not_fit_is_explained(names_file, weights_file, dim, classes, message):
    with pytest.raises(InputError, match=message):
        embed_class_list(names_file, weights_file, "a", dim, classes)
