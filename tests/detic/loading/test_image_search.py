"""Which images are missing, without opening any."""

import os
import re

import pytest

from detic.loading import image_search
from detic.loading.image_search import missing_images


@pytest.fixture(params=[1, 100], ids=["listed", "asked for one by one"])
def folder(request, tmp_path, monkeypatch):
    """A folder with a.jpg, a link to it and things that are no images."""
    monkeypatch.setattr(image_search, "MIN_LISTED", request.param)
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    return tmp_path


def problems(folder, *names):
    records = [{"file_name": f"{folder}/{name}"} for name in names]
    return [(os.path.basename(f.name), f.reason) for f in missing_images(records)]


def test_files_and_links_to_files_are_there(folder):
    assert problems(folder, "a.jpg", "link.jpg") == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone.jpg", "FileNotFoundError: "),
        ("folder.jpg", "it is a folder, not a file"),
        ("", "it is a folder, not a file"),
        ("pipe.jpg", "it is a pipe, not a file"),
        ("loop.jpg", "OSError: .*symbolic links"),
        ("nul\0.jpg", "ValueError: embedded null"),
        ("a.jpg/b.jpg", "NotADirectoryError: "),
    ],
)
def test_what_is_no_file_is_told_with_the_reason(folder, name, reason):
    ((found, why),) = problems(folder, "a.jpg", name)
    assert found == os.path.basename(name)
    assert re.match(reason, why)


def test_files_without_a_folder_are_looked_for_here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert [f.name for f in missing_images([{"file_name": "a.jpg"}, {"file_name": "b.jpg"}])] == [
        "b.jpg"
    ]


def test_members_of_tar_files_and_addresses_are_passed_over():
    assert missing_images([{"tar_index": 3}, {"file_name": "https://a.org/b.jpg"}]) == []
