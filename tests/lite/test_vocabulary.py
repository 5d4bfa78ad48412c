import json
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import yaml

from detic.paths import resource
from detic.vocabulary import EmbeddingTable, write_embeddings
from detic.vocabulary.embedding import class_prompts, merge_prompts
from detic.vocabulary.prompts import fill_template
from detic.vocabulary.vocabulary_file import read_vocabulary_file
from detic_lite.embedding_file import read_embeddings
from detic_lite.errors import InputError
from detic_lite.text_encoder import FORMAT, TextEncoder
from detic_lite.vocabulary import ClassEntry, check_names, merge_texts, read_vocabulary


@pytest.fixture
def table():
    return EmbeddingTable(
        torch.tensor([[1.0, 2, 3], [4, 5, 6]]), ("cat", "dog"), "clip_text.safetensors", (), "ab12"
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_embedding_files_of_detic_are_read(tmp_path, metadata, table, dtype):
    path = tmp_path / "c.safetensors"
    write_embeddings(path, replace(table, embeddings=table.embeddings.to(dtype)))
    names, embeddings = read_embeddings(path, metadata)
    assert names == ("cat", "dog")
    assert embeddings.dtype == np.float32
    assert embeddings.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fingerprint": "cd34"}, "different text encoder"),
        ({"fingerprint": None, "model": "ViT-B-32.pt"}, "different text encoder"),
        ({"embeddings": torch.ones(2, 4)}, "4 wide; the detector takes"),
        ({"names": None}, "without their names"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(tmp_path, metadata, table, changes, message):
    write_embeddings(tmp_path / "c.safetensors", replace(table, **changes))
    with pytest.raises(InputError, match=message):
        read_embeddings(tmp_path / "c.safetensors", metadata)


def test_names_of_the_same_weights_are_equal(tmp_path, metadata, table):
    write_embeddings(
        tmp_path / "c.safetensors", replace(table, fingerprint=None, model="ViT-B-32-quickgelu")
    )
    own = replace(metadata, text_encoder="openai")
    assert read_embeddings(tmp_path / "c.safetensors", own).names == ("cat", "dog")


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 40, b"\2\0\0\0\0\0\0\0{}", b"\2\0\0\0\0\0\0\0[]"]
)
def test_damaged_embedding_files_are_refused(tmp_path, metadata, content):
    (tmp_path / "c.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as class embeddings"):
        read_embeddings(tmp_path / "c.safetensors", metadata)


def test_name_files_have_comments(tmp_path):
    (tmp_path / "c.txt").write_text("# animals\ncat  # small\n\n dog\n")
    assert read_vocabulary(tmp_path / "c.txt") == [ClassEntry("cat"), ClassEntry("dog")]


def test_files_are_read_as_the_detector_reads_them(tmp_path):
    things = resource("docs/things.yaml")
    in_json = tmp_path / "things.json"
    in_json.write_text(json.dumps(yaml.safe_load(things.read_text())))
    for path in (things, in_json):
        expected = read_vocabulary_file(path).entries
        entries = read_vocabulary(path)
        for field in fields(ClassEntry):
            read = [getattr(entry, field.name) for entry in entries]
            assert read == [getattr(entry, field.name) for entry in expected]


def test_texts_have_no_space_around_them(tmp_path):
    (tmp_path / "c.json").write_text(
        '[{"name": " cup ", "synonyms": ["mug "], "prompts": [" a {}"]}]'
    )
    (entry,) = read_vocabulary(tmp_path / "c.json")
    assert entry == ClassEntry("cup", synonyms=("mug",), prompts=("a {}",))
    assert entry.texts("") == ["a cup", "a mug"]
    (expected,) = read_vocabulary_file(tmp_path / "c.json").entries
    assert (expected.synonyms, expected.prompts) == (entry.synonyms, entry.prompts)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "entry 1: expected a name"),
        ({"synonyms": ["kitty"]}, "entry 1: expected a name"),
        (
            {"name": "cat", "parent": "animal"},
            "there is no field 'parent' without torch; name, syn",
        ),
        ({"name": "cat", "score_threshold": 2}, "'score_threshold' is 2; expected a number from 0"),
        ({"name": "cat", "color": [1, 2]}, "'color' is .*; expected red, green and blue"),
    ],
)
def test_slips_in_files_are_told(tmp_path, entry, message):
    (tmp_path / "c.json").write_text(json.dumps([entry]))
    with pytest.raises(InputError, match=message):
        read_vocabulary(tmp_path / "c.json")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.json", "{", "c.json cannot be read: Expecting"),
        ("c.json", "{}", "expected a list"),
        ("c.json", "[]", "at least one class"),
        ("c.yaml", "- [", "c.yaml cannot be read"),
        ("c.csv", "", "a vocabulary file is a .txt"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_vocabulary(tmp_path / name)


def test_yaml_needs_a_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)  # importing it raises ImportError
    (tmp_path / "c.yaml").write_text("[cat]")
    with pytest.raises(InputError, match="needs the package PyYAML"):
        read_vocabulary(tmp_path / "c.yaml")


def test_texts_are_those_of_the_detector():
    entries = [
        ClassEntry("cup", synonyms=("mug", "cup")),
        ClassEntry("cup", synonyms=("mug",), prompts=("one {}", "a yellow thing")),
        ClassEntry("cup"),
    ]
    for entry in entries:
        of_detector = class_prompts(entry, ["a {}"])
        assert entry.texts("a {}") == [fill_template(*pair) for pair in of_detector]


def test_classes_of_several_texts_have_the_mean_of_unit_vectors():
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    counts = [1, 3, 2]
    expected = merge_prompts(torch.from_numpy(vectors), counts).numpy()
    assert merge_texts(vectors, counts) == pytest.approx(expected, abs=1e-6)
    assert merge_texts(vectors, counts)[0].tolist() == vectors[0].tolist()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "at least one"),
        (["a", " "], "name 2 is empty"),
        (["a", "a "], "there twice"),
        (["a", 3], "expected a text"),
        (["a\x00"], "unprintable"),
    ],
)
def test_slips_in_names_are_told(names, message):
    with pytest.raises(InputError, match=message):
        check_names(names, "class list")


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"format": FORMAT, "fingerprint": "cd34"}, "cannot be read"),
        ({"format": "other"}, "cannot be read"),
        (
            {"format": FORMAT, "fingerprint": "cd34", "byte_ids": [], "merges": []},
            "another than the detector's",
        ),
    ],
)
def test_text_encoders_that_do_not_fit_are_refused(tmp_path, metadata, about, message):
    (tmp_path / "m.text.onnx").touch()
    (tmp_path / "m.text.json").write_text(json.dumps({"context_length": 16} | about))
    with pytest.raises(InputError, match=message):
        TextEncoder(tmp_path / "m.onnx", metadata)
