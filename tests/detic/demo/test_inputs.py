import errno
import io
import os
from pathlib import Path

import pytest

from detic.demo.inputs import InputFile, find_inputs, image_ids, is_stream, video_file
from detic.errors import InputError


def names(*arguments, **options):
    return [
        file.name.as_posix() for file in find_inputs([str(a) for a in arguments], **options).files
    ]


def test_folder_gives_its_images_in_order(photos):
    assert names(photos) == ["a.png", "b.JPG", "broken.jpg"]


def test_folders_of_folders_are_looked_into_if_asked_for(photos):
    assert names(photos, recursive=True) == ["a.png", "b.JPG", "broken.jpg", "more/c.png"]


def test_single_file_keeps_its_name(photos):
    (file,) = find_inputs([str(photos / "more" / "c.png")]).files
    assert file == InputFile(photos / "more" / "c.png", Path("c.png"))


def test_names_are_below_the_folder_that_inputs_share(photos):
    assert names(photos / "more" / "c.png", photos / "a.png") == ["more/c.png", "a.png"]


def test_files_left_out_by_their_suffix_are_told(photos):
    found = find_inputs([str(photos)])
    assert found.omission() == (
        f"left out 1 file without the suffix of an image or video: {photos}/note.txt"
    )
    for name in ("b.psd", "c.heic", "d"):
        (photos / "more" / name).touch()
    (photos / ".hidden.txt").touch()
    assert find_inputs([str(photos)]).left_out == [photos / "note.txt"]
    found = find_inputs([str(photos)], recursive=True)
    assert found.omission().startswith("left out 4 files without the suffix of an image or")
    assert found.omission().endswith(f"/b.psd, {photos}/more/c.heic, {photos}/more/d, ...")
    assert find_inputs([str(photos / "a.png")]).omission() == ""


def test_a_folder_of_other_files_says_so(photos):
    for path in photos.glob("*.*g"):
        path.unlink()
    (photos / "b.JPG").unlink()
    with pytest.raises(InputError, match=r"folders; left out 1 file .*note\.txt"):
        find_inputs([str(photos)])


def test_links_that_lead_nowhere_are_found_out_when_they_are_read(photos):
    (photos / "loop.png").symlink_to("loop.png")
    os.mkfifo(photos / "pipe.png")
    assert names(photos)[-2:] == ["loop.png", "pipe.png"]
    assert names(photos / "loop.png") == ["loop.png"]


def test_a_folder_that_cannot_be_looked_into_is_told(photos, monkeypatch):
    def scandir(path, real=os.scandir):
        if str(path).endswith("more"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = find_inputs([str(photos)], recursive=True)
    assert len(found.files) == 3
    message = f"cannot look into the folder {photos}/more: permission denied"
    assert found.unreadable == [message]
    with pytest.raises(InputError, match=message):
        find_inputs([str(photos / "more")])


def test_patterns_are_expanded(photos):
    assert names(photos / "*.png") == ["a.png"]
    assert names(photos / "**" / "*.png") == ["a.png", "more/c.png"]


def test_file_whose_name_looks_like_a_pattern_is_a_file(photos):
    (photos / "a.png").rename(photos / "a[1].png")
    assert names(photos / "a[1].png") == ["a[1].png"]


def test_every_file_comes_once(photos):
    assert names(photos, photos / "a.png", photos / "more" / ".." / "a.png").count("a.png") == 1


def test_standard_input_lists_paths(photos, monkeypatch):
    lines = f"{photos / 'a.png'}\n\n {photos / 'b.JPG'} \n{photos}/caf".encode() + b"\xe9.jpg"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert names("-") == ["a.png", "b.JPG", "caf\udce9.jpg"]


def test_missing_file_is_found_out_when_it_is_read(photos):
    assert names(photos / "missing.jpg") == ["missing.jpg"]


def test_nothing_found_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"no images or videos in .*; --recursive"):
        find_inputs([str(tmp_path)])
    with pytest.raises(InputError, match="no images or videos in"):
        find_inputs([str(tmp_path / "*.png")], recursive=True)


def test_own_drawings_are_no_inputs(photos):
    (photos / "drawn").mkdir()
    (photos / "a.png").rename(photos / "drawn" / "a.png")
    left = ["b.JPG", "broken.jpg", "more/c.png"]
    assert names(photos, recursive=True, output=f"{photos}/drawn") == left
    assert names(photos / "**" / "*.png", output=f"{photos}/drawn") == ["c.png"]
    assert names(photos / "drawn", output=f"{photos}/drawn") == ["a.png"]


@pytest.mark.parametrize("name", ["a.MP4", "a.ts", "a.mts", "a.wmv", "a.flv", "a.3gp", "a.ogv"])
def test_videos_are_told_by_their_suffix(name):
    (video, image) = find_inputs([name, "a.jpg"]).files
    assert video.is_video
    assert not image.is_video


def test_video_input_is_a_video_whatever_its_suffix():
    assert video_file("in/a.png") == InputFile(Path("in/a.png"), Path("a.png"), is_video=True)


def test_names_that_are_no_utf8_are_written_as_codes():
    name = Path("more") / "caf\udce9.jpg"  # how Python holds the byte E9
    record = InputFile(name, name).record(7)
    assert record.file_name == r"more/caf\xe9.jpg"
    assert record.stem == "more/caf\udce9"


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


def test_addresses_are_called_as_their_files_are(photos):
    image = "https://a.org/photos/desk%20top.jpg?size=large"
    found = find_inputs(
        [image, str(photos / "a.png"), "http://b.org/", "s3://c/v.mp4", image]
    ).files
    assert [file.name.as_posix() for file in found] == ["a.png", "desk top.jpg", "b.org", "v.mp4"]
    assert [file.source for file in found[1:]] == [image, "http://b.org/", "s3://c/v.mp4"]
    assert [file.is_video for file in found] == [False, False, False, True]
    assert found[1].record(1).file_name == image
    assert found[1].record(1).stem == "desk top"
    video = video_file("http://b.org/live")
    assert (video.source, video.is_video) == ("http://b.org/live", True)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("rtsp://camera/1.mp4", True),
        ("http://camera/live", True),
        ("https://example.org/a.mp4?key=1", False),  # a file, which has an end
        ("a.mp4", False),
    ],
)
def test_streams_are_told_from_files(argument, expected):
    assert is_stream(argument) is expected
