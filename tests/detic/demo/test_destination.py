from pathlib import Path

import pytest

from detic.demo.destination import (
    drawing_names,
    plan_destination,
    plan_recording,
)
from detic.demo.inputs import InputFile
from detic.errors import InputError


def file(name):
    is_video = name.endswith((".avi", ".mov", ".mp4"))
    return InputFile(Path("in") / name, Path(name), is_video)


def plan(output, *names, overwrite=False):
    return plan_destination(str(output), [file(name) for name in names], overwrite=overwrite)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", "a.jpg"),
        ("more/a.PNG", "more/a.PNG"),
        ("a.gif", "a.png"),  # a format that cannot be written
        ("a.mov", "a.mp4"),
    ],
)
def test_folder_keeps_names(tmp_path, name, expected):
    assert plan(tmp_path, name).path_of(file(name)) == tmp_path / expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a.gif", "a.png"), ("a.gif.png", "a.png")),
        (("v.avi", "v.mov"), ("v.avi.mp4", "v.mov.mp4")),
        (("v.avi", "v.mp4"), ("v.avi.mp4", "v.mp4")),
        (("a.gif", "more/a.png", "a.jpg"), ("a.png", "more/a.png", "a.jpg")),  # all differ
    ],
)
def test_drawings_never_share_a_name(names, expected):
    files = [file(name) for name in names]
    assert tuple(drawing_names(files)[f].as_posix() for f in files) == expected


def test_drawings_that_cannot_be_told_apart_are_refused():
    with pytest.raises(InputError, match=r"in/a.gif.png would both be drawn as a\.gif\.png"):
        drawing_names([file("a.gif"), file("a.png"), file("a.gif.png")])


def test_an_unknown_suffix_is_refused_unless_it_is_that_of_a_folder(tmp_path):
    with pytest.raises(InputError, match=r"\.xyz is no suffix of images or videos.*choose \.bmp"):
        plan(tmp_path / "out.xyz", "a.png")
    assert plan(f"{tmp_path}/out.xyz/", "a.png").path_of(file("a.png")).parent.name == "out.xyz"
    (tmp_path / "run.v2").mkdir()
    assert plan(tmp_path / "run.v2", "a.png").path_of(file("a.png")).parent.name == "run.v2"


def test_path_with_a_suffix_is_a_file(tmp_path):
    assert plan(tmp_path / "out.jpg", "a.png").path_of(file("a.png")) == tmp_path / "out.jpg"
    assert plan(tmp_path / "out.mp4", "a.mov").path_of(file("a.mov")) == tmp_path / "out.mp4"


def test_existing_folder_may_look_like_a_file(tmp_path):
    (tmp_path / "out.jpg").mkdir()
    destination = plan(tmp_path / "out.jpg", "a.png", "b.png")
    assert destination.path_of(file("b.png")) == tmp_path / "out.jpg" / "b.png"


def test_no_output_is_no_destination():
    assert plan_destination(None, [file("a.jpg")], overwrite=False) is None


@pytest.mark.parametrize(
    ("output", "names", "message"),
    [
        ("out.jpg", ("a.jpg", "b.jpg"), "one file for 2 inputs; name a folder"),
        ("out.jpg", ("a.mp4",), "does not suit in/a.mp4, which is a video"),
        ("out.mp4", ("a.jpg",), "does not suit in/a.jpg, which is an image"),
        ("out.avi", ("a.mp4",), "videos are written as .mp4, not .avi"),
        ("out.gif", ("a.gif",), r"images are written as \.bmp, \.jpeg, .*, not \.gif"),
        ("in", ("a.jpg",), "would replace the input in/a.jpg"),
    ],
)
def test_unsuitable_outputs_are_refused(output, names, message):
    with pytest.raises(InputError, match=message):
        plan(output, *names)


def test_existing_file_is_kept_unless_it_may_be_replaced(tmp_path):
    (tmp_path / "out.jpg").touch()
    with pytest.raises(InputError, match=r"out.jpg exists and is kept; --overwrite replaces it"):
        plan(tmp_path / "out.jpg", "a.jpg")
    assert not plan(tmp_path / "out.jpg", "a.jpg", overwrite=True).keeps(file("a.jpg"))


def test_existing_drawings_of_a_folder_are_kept_one_by_one(tmp_path):
    (tmp_path / "a.jpg").touch()
    destination = plan(tmp_path, "a.jpg", "b.jpg")
    assert destination.keeps(file("a.jpg"))
    assert not destination.keeps(file("b.jpg"))


def test_files_in_the_way_are_named(tmp_path):
    (tmp_path / "out.txt").touch()
    with pytest.raises(InputError, match=r"out\.txt is a file; name a folder"):
        plan(tmp_path / "out.txt", "a.jpg")
    with pytest.raises(InputError, match=r"cannot write .*out\.png: not a directory"):
        plan(tmp_path / "out.txt" / "out.png", "a.jpg")


def test_recordings_are_videos(tmp_path):
    assert plan_recording(None, overwrite=False) is None
    assert plan_recording(str(tmp_path / "a.mp4"), overwrite=False) == tmp_path / "a.mp4"
    with pytest.raises(InputError, match=r"of a camera must be a \.mp4 file"):
        plan_recording(str(tmp_path), overwrite=False)
