import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from detic.errors import InputError
from detic.vocabulary.embedding_file import EmbeddingTable, read_embeddings, write_embeddings

RELEASED = Path(os.environ.get("DETECTRON2_DATASETS", "datasets")) / "metadata"
TABLE = EmbeddingTable(
    embeddings=torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    names=("cat", "dog"),
    model="tiny",
    templates=("a {}",),
    fingerprint="0123456789abcdef",
)


@pytest.fixture
def ours(tmp_path):
    write_embeddings(tmp_path / "pets.safetensors", TABLE)
    return tmp_path / "pets.safetensors"


def test_safetensors_keeps_everything(ours):
    table = read_embeddings(ours, 3, 2)
    assert torch.equal(table.embeddings, TABLE.embeddings)
    assert (table.names, table.model, table.templates, table.fingerprint) == (
        ("cat", "dog"),
        "tiny",
        ("a {}",),
        "0123456789abcdef",
    )


def test_npy_keeps_the_array_and_its_type(tmp_path):
    path = tmp_path / "pets.npy"
    write_embeddings(path, EmbeddingTable(TABLE.embeddings.half(), TABLE.names))
    assert np.load(path).dtype == np.float16
    table = read_embeddings(path, 3, 2, text_weights="anything.pt")
    assert torch.equal(table.embeddings, TABLE.embeddings)
    assert table.embeddings.dtype == torch.float32
    assert (table.names, table.fingerprint) == (None, None)


def test_other_width_is_refused(ours):
    with pytest.raises(InputError, match=r"pets.* holds 3-wide .* is 512 wide.*another text enc"):
        read_embeddings(ours, 512)


def test_other_count_is_refused(ours):
    with pytest.raises(
        InputError, match=r"holds 2 classes, expected 80; .* number of classes to 2"
    ):
        read_embeddings(ours, 3, 80)


def test_other_text_encoder_is_refused(ours, weights_file):
    message = r"different CLIP: .* tiny \(fingerprint 0123456789abcdef\), .*tiny_clip\.safetensors"
    with pytest.raises(InputError, match=message):
        read_embeddings(ours, 3, text_weights=weights_file)


def test_missing_file_says_where_to_look(tmp_path):
    with pytest.raises(InputError, match=r"no class embeddings at .*gone\.npy; datasets/README"):
        read_embeddings(tmp_path / "gone.npy", 3)


def test_unknown_format_lists_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"format '\.csv'; choose \.npy or \.safetensors"):
        read_embeddings(tmp_path / "pets.csv", 3)
    with pytest.raises(InputError, match=r"format '\.csv'; choose \.npy or \.safetensors"):
        write_embeddings(tmp_path / "pets.csv", TABLE)


def test_truncated_file_is_named(ours):
    ours.write_bytes(ours.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"pets\.safetensors cannot be read as class embeddings"):
        read_embeddings(ours, 3)


def test_foreign_safetensors_are_refused(tmp_path):
    save_file({"weight": torch.ones(2, 2)}, tmp_path / "net.safetensors")
    with pytest.raises(InputError, match=r"net\.safetensors cannot be read.*its format is None"):
        read_embeddings(tmp_path / "net.safetensors", 2)


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"evil\.npy cannot be read"):
        read_embeddings(tmp_path / "evil.npy", 3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(4, np.float32), r"array of shape \(4,\)"),
        (np.full((2, 3), np.nan, np.float32), "some values are not finite"),
    ],
)
def test_arrays_that_are_no_embeddings_are_refused(array, message, tmp_path):
    np.save(tmp_path / "odd.npy", array)
    with pytest.raises(InputError, match=rf"odd\.npy: {message}"):
        read_embeddings(tmp_path / "odd.npy", 3)


def test_names_and_rows_must_agree(tmp_path):
    with pytest.raises(InputError, match="1 names for 2 embeddings"):
        write_embeddings(tmp_path / "x.npy", EmbeddingTable(TABLE.embeddings, names=("cat",)))


def test_interrupted_write_leaves_the_old_file(ours, monkeypatch):
    before = ours.read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_embeddings(ours, TABLE)
    assert ours.read_bytes() == before
    assert list(ours.parent.iterdir()) == [ours]


@pytest.mark.parametrize(
    ("file_name", "num_classes"),
    [
        ("lvis_v1_clip_a+cname.npy", 1203),
        ("coco_clip_a+cname.npy", 80),
        ("o365_clip_a+cnamefix.npy", 365),
        ("oid_clip_a+cname.npy", 500),
    ],
)
def test_released_files_are_read(file_name, num_classes):
    if not (RELEASED / file_name).is_file():
        pytest.skip(f"needs the released {file_name}")
    embeddings = read_embeddings(RELEASED / file_name, 512, num_classes).embeddings
    assert embeddings.dtype == torch.float32
    assert 7 < embeddings.norm(dim=1).min() < embeddings.norm(dim=1).max() < 14


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{}", "it holds no array"),  # not: how to run what is in it
        (np.ones((2, 4), dtype=complex), "complex128"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(tmp_path, content, reason):
    path = tmp_path / "pets.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    with pytest.raises(InputError, match=rf"cannot be read as class embeddings .*{reason}"):
        read_embeddings(path, 4)
