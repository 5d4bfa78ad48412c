from pathlib import Path

import pytest

from detic.demo.inputs import InputFile
from detic.demo.output_checks import check_clashes, check_data_files
from detic.errors import InputError


def files(*names):
    return [InputFile(Path("in") / n, Path(n), is_video=n.endswith(".avi")) for n in names]


@pytest.mark.parametrize("name", ["coco", "lvis"])
def test_list_of_images_is_kept_like_the_results_it_belongs_to(tmp_path, name):
    (tmp_path / "found.images.json").touch()
    outputs = [(name, tmp_path / "found.json")]
    with pytest.raises(InputError, match=r"found\.images\.json exists and is kept"):
        check_data_files(outputs, overwrite=False)
    check_data_files(outputs, overwrite=True)


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("csv", "folder", "folder is a folder; name a file"),
        ("voc", "file", "file is a file; name a folder"),
        ("json", "file/found.json", "cannot write .*: not a directory"),
        ("yolo", "file/more/labels", "cannot write .*: not a directory"),
    ],
)
def test_files_and_folders_in_the_way_are_named(tmp_path, name, path, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=message):
        check_data_files([(name, tmp_path / path)], overwrite=True)


def test_data_replace_neither_inputs_nor_drawings():
    for path in ("in/a.png", "out/a.png"):
        with pytest.raises(InputError, match=f"{path} is an input or a drawing"):
            check_clashes([("json", Path(path))], files("a.png"), [Path("out/a.png")])
    check_clashes([("json", Path("found.json"))], files("a.png"), [Path("out/a.png")])


@pytest.mark.parametrize("names", [("a.png", "a.jpg"), ("v.avi", "v_000001.png"), ("classes.png",)])
def test_inputs_that_would_share_labels_are_refused_beforehand(names):
    with pytest.raises(InputError, match=r"would both be written to found/labels/"):
        check_clashes([("yolo", Path("found"))], files(*names), [])
    check_clashes([("coco", Path("found"))], files(*names), [])


def test_annotations_beside_each_other_are_fine():
    check_clashes([("voc", Path("found"))], files("a.png", "a.avi", "more/a.png"), [])
