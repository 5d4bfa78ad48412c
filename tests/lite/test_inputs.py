from pathlib import Path

import pytest

from detic.demo import inputs as of_detector
from detic.images import IMAGE_SUFFIXES
from detic_lite.errors import InputError
from detic_lite.inputs import SUFFIXES, find_images, image_ids, plan_drawings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with images b.jpg and a.PNG, others, and a folder of one more."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.PNG", "notes.txt", "._a.png", "inner/c.webp"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "recursive", "expected"),
    [
        (["."], False, ["a.PNG", "b.jpg"]),
        (["."], True, ["a.PNG", "b.jpg", "inner/c.webp"]),
        (["*.jpg", "b.jpg", "."], False, ["b.jpg", "a.PNG"]),
        (["**/*.webp"], False, ["inner/c.webp"]),
        (["notes.txt", "lost.png"], False, ["notes.txt", "lost.png"]),  # reading them will tell
    ],
)
def test_images_are_found_once_and_in_order(folder, arguments, recursive, expected):
    found = find_images(arguments, recursive=recursive)
    assert [path.as_posix() for path in found] == expected


def test_they_are_those_of_the_detector(folder):
    found = find_images(["inner", "b.jpg", "."])
    assert found == [file.path for file in of_detector.find_inputs(["inner", "b.jpg", "."]).files]
    assert SUFFIXES == IMAGE_SUFFIXES


def test_naming_no_image_is_told(folder):
    with pytest.raises(InputError, match=r"no images in \*.bmp; --recursive"):
        find_images(["*.bmp"])


def test_images_are_numbered_by_their_names_if_all_are_numbers():
    assert image_ids([Path("000042.jpg"), Path("7.png")]) == [42, 7]
    assert image_ids([Path("1.jpg"), Path("01.png")]) == [1, 2]


def test_drawings_are_called_as_their_images(folder):
    images = [Path("b.jpg"), Path("d.gif")]
    planned = plan_drawings(images, Path("out"), overwrite=False)
    assert planned == {images[0]: Path("out/b.jpg"), images[1]: Path("out/d.gif.png")}
    assert plan_drawings(images[:1], Path("x.png"), overwrite=False) == {images[0]: Path("x.png")}
    assert plan_drawings(images, None, overwrite=False) == {}


@pytest.mark.parametrize(
    ("images", "output", "overwrite", "message"),
    [
        (["b.jpg", "a.PNG"], "x.png", False, "one file for 2 images"),
        (["b.jpg", "inner/b.jpg"], "out", False, "two images have one name"),
        (["b.jpg"], ".", True, "would replace the image b.jpg"),
        (["inner/b.jpg"], ".", False, "b.jpg exists; --overwrite"),
    ],
)
def test_drawings_replace_nothing(folder, images, output, overwrite, message):
    with pytest.raises(InputError, match=message):
        plan_drawings(list(map(Path, images)), Path(output), overwrite=overwrite)
