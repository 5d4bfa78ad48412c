"""The classes of a model, from names or from embeddings."""

import numpy as np
import pytest
import torch

from detic.errors import InputError
from detic.recipes import default_config
from detic.vocabulary import EmbeddingTable, encode_names, write_embeddings
from detic.vocabulary.model_classes import KEY, ClassSource, ModelClasses


@pytest.fixture
def names_file(tmp_path, monkeypatch):
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "names.txt"
    path.write_text("cat\ngull\n")
    return path


def classes_of(path, text_weights="openai", *, dim=8, count=2):
    """The classes of a recipe."""
    cfg = default_config()
    cfg.merge_from_list([KEY, str(path), "MODEL.TEXT_ENCODER.WEIGHTS", str(text_weights)])
    cfg.merge_from_list(["MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_DIM", dim])
    cfg.merge_from_list(["MODEL.ROI_HEADS.NUM_CLASSES", count])
    return ModelClasses.from_config(cfg)


def test_names_come_from_class_lists_and_from_embeddings_that_have_them(names_file, tmp_path):
    assert classes_of(names_file).names() == ("cat", "gull")
    table = EmbeddingTable(torch.ones(2, 8), names=("fox", "hen"))
    write_embeddings(tmp_path / "classes.safetensors", table)
    assert classes_of(tmp_path / "classes.safetensors").names() == ("fox", "hen")


def test_embeddings_without_names_are_no_list_of_classes(tmp_path):
    np.save(tmp_path / "classes.npy", np.ones((2, 8), np.float32))
    with pytest.raises(InputError, match=r"classes\.npy holds embeddings without names.*\.txt"):
        classes_of(tmp_path / "classes.npy").names()


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ("a.txt", ClassSource.NAMES),
        ("a.yaml", ClassSource.NAMES),
        ("a.json", ClassSource.NAMES),
        ("a.npy", ClassSource.EMBEDDINGS),
        ("a.safetensors", ClassSource.EMBEDDINGS),
        ("rand", ClassSource.SET_LATER),
    ],
)
def test_the_key_means_one_of_three_things(given, source):
    assert classes_of(given).source is source


def test_vectors_that_are_missing_are_those_of_the_weights(names_file, tmp_path):
    assert classes_of("gone.npy").with_those_of_weights().are_set_later
    assert classes_of(names_file).with_those_of_weights().are_named
    np.save(tmp_path / "classes.npy", np.full((2, 8), 3, np.float32))
    there = classes_of(tmp_path / "classes.npy").with_those_of_weights()
    assert there.vectors()[0, 0] == 3


def test_names_that_went_missing_with_their_vectors_are_asked_for_by_file():
    classes = classes_of("gone.safetensors").with_those_of_weights()
    with pytest.raises(InputError, match=r"no class embeddings at gone\.safetensors; looked for"):
        classes.names()


def test_a_stand_in_has_the_shape_of_the_vectors_to_come():
    assert classes_of("rand", dim=16, count=5).vectors().shape == (5, 16)


def test_a_class_list_is_embedded_with_the_prompt(names_file, weights_file, encoder):
    embeddings = classes_of(names_file, weights_file).vectors()
    torch.testing.assert_close(embeddings, encode_names(["cat", "gull"], encoder, "a"))


def test_a_list_that_has_changed_is_embedded_anew(names_file, weights_file):
    first = classes_of(names_file, weights_file).vectors()
    names_file.write_text("cat\nheron\n")
    second = classes_of(names_file, weights_file).vectors()
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
        classes_of(names_file, weights_file, dim=dim, count=classes).vectors()


def test_a_recipe_cannot_fit_classes_to_examples(tmp_path):
    path = tmp_path / "names.yaml"
    path.write_text("- {name: cat, examples: [a.png]}\n- gull\n")
    with pytest.raises(
        InputError, match=r"names\.yaml: cat has examples, .*`detic vocabulary tune`"
    ):
        classes_of(path).vectors()
