"""Damage to files of torch.save, in any place, is noticed before the file is used."""

import numpy as np
import pytest
import torch

from detic.weight_files.torch_archive import DamagedFile, check_torch_archive

CONTENT = {"model": {"a": torch.arange(20000.0), "b": torch.ones(3)}, "iteration": 7}


@pytest.fixture
def archive(tmp_path):
    torch.save(CONTENT, tmp_path / "w.pth")
    return tmp_path / "w.pth"


def test_whole_files_pass(archive, tmp_path):
    check_torch_archive(archive)
    torch.save(CONTENT, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    check_torch_archive(tmp_path / "old.pth")


def test_files_without_checksums_pass(archive):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(CONTENT, archive)
    finally:
        torch.serialization.set_crc32_options(True)
    check_torch_archive(archive)


def test_flipped_bytes_of_a_tensor_are_noticed_where_torch_is_silent(archive):
    data = bytearray(archive.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(b ^ 255 for b in data[middle : middle + 64])
    archive.write_bytes(data)
    assert not torch.load(archive, weights_only=True)["model"]["a"].equal(CONTENT["model"]["a"])
    with pytest.raises(DamagedFile, match=r"w\.pth is damaged: its part '.*data/0' does not match"):
        check_torch_archive(archive)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.9999])
def test_files_that_were_cut_off_are_noticed(archive, share):
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DamagedFile, match="is damaged: its end is missing"):
        check_torch_archive(archive)


def test_damage_anywhere_is_noticed_or_harmless(archive):
    whole = archive.read_bytes()
    random = np.random.default_rng(0)
    for start in random.integers(4, len(whole) - 8, 100):
        data = bytearray(whole)
        data[start : start + 8] = random.bytes(8)
        archive.write_bytes(data)
        try:
            check_torch_archive(archive)
        except DamagedFile:
            continue
        loaded = torch.load(archive, weights_only=True)  # padding was hit, or dates of parts
        assert loaded["model"]["a"].equal(CONTENT["model"]["a"])
