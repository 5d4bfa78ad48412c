"""Files and folders that appear when they are complete."""

import pytest

from detic.files import (
    unfinished_folder,
    unfinished_path,
    unfinished_text,
    write_bytes,
    write_json,
)


def test_file_appears_at_the_end_and_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b.txt"
    with unfinished_text(path) as file:
        file.write("café\n")
        assert not path.exists()
    assert path.read_bytes() == "café\n".encode()


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "b.txt"
    write_bytes(path, b"old")
    with pytest.raises(TypeError), unfinished_text(path) as file:
        file.write(b"no text")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"


def test_unfinished_file_keeps_the_suffix(tmp_path):
    # Encoders choose their format by it.
    with unfinished_path(tmp_path / "clip.mp4") as path:
        assert path.suffix == ".mp4"
        path.touch()


def test_what_json_does_not_know_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": [1, 2]})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert path.read_text() == '{"a":[1,2]}'


def test_folder_appears_with_its_files_at_the_end(tmp_path):
    folder = tmp_path / "world"
    with unfinished_folder(folder) as unfinished:
        (unfinished / "a.txt").touch()
        assert not folder.exists()
    assert [path.name for path in folder.iterdir()] == ["a.txt"]
    assert list(tmp_path.iterdir()) == [folder]


def test_failure_leaves_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError), unfinished_folder(tmp_path / "world") as unfinished:
        (unfinished / "missing.txt").read_text()
    assert not list(tmp_path.iterdir())
