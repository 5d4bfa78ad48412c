import io
from pathlib import Path

import pytest

from detic.demo.inputs import InputFile, find_inputs, image_ids
from detic.errors import InputError


def names(*arguments, **options):
    return [file.name.as_posix() for file in find_inputs([str(a) for a in arguments], **options)]


def test_folder_gives_its_pictures_in_order(photos):
    assert names(photos) == ["a.png", "b.JPG", "broken.jpg"]


def test_folders_of_folders_are_looked_into_if_asked_for(photos):
    assert names(photos, recursive=True) == ["a.png", "b.JPG", "broken.jpg", "more/c.png"]


def test_single_file_keeps_its_name(photos):
    (file,) = find_inputs([str(photos / "more" / "c.png")])
    assert file == InputFile(photos / "more" / "c.png", Path("c.png"))


def test_names_are_below_the_folder_that_inputs_share(photos):
    assert names(photos / "more" / "c.png", photos / "a.png") == ["more/c.png", "a.png"]


def test_patterns_are_expanded(photos):
    assert names(photos / "*.png") == ["a.png"]
    assert names(photos / "**" / "*.png") == ["a.png", "more/c.png"]


def test_file_whose_name_looks_like_a_pattern_is_a_file(photos):
    (photos / "a.png").rename(photos / "a[1].png")
    assert names(photos / "a[1].png") == ["a[1].png"]


def test_every_file_comes_once(photos):
    assert names(photos, photos / "a.png", photos / "more" / ".." / "a.png").count("a.png") == 1


def test_standard_input_lists_paths(photos, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{photos / 'a.png'}\n\n {photos / 'b.JPG'} \n"))
    assert names("-") == ["a.png", "b.JPG"]


def test_missing_file_is_found_out_when_it_is_read(photos):
    assert names(photos / "missing.jpg") == ["missing.jpg"]


def test_nothing_found_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"no pictures or videos in .*; --recursive"):
        find_inputs([str(tmp_path)])
    with pytest.raises(InputError, match="no pictures or videos in"):
        find_inputs([str(tmp_path / "*.png")], recursive=True)


def test_videos_are_told_by_their_suffix():
    assert InputFile(Path("a.MP4"), Path("a.MP4")).is_video
    assert not InputFile(Path("a.jpg"), Path("a.jpg")).is_video


@pytest.mark.parametrize(
    ("stems", "ids"),
    [
        (["000000000139", "000000000285"], [139, 285]),  # COCO's names
        (["1", "desk"], [1, 2]),
        (["1", "01"], [1, 2]),  # the same number twice
        ([], []),
    ],
)
def test_image_ids_are_the_numbers_of_names_or_places(stems, ids):
    files = [InputFile(Path(f"{s}.jpg"), Path(f"{s}.jpg")) for s in stems]
    assert image_ids(files) == ids
