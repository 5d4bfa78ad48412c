import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from detic.vocabulary import EmbeddingTable, write_embeddings
from detic_lite.embedding_file import read_embeddings
from detic_lite.errors import InputError
from detic_lite.text_encoder import FORMAT, TextEncoder
from detic_lite.vocabulary import check_names, read_names


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
    assert read_names(tmp_path / "c.txt") == ["cat", "dog"]


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
