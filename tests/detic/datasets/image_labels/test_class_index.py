"""From labels, as people spell them, to classes."""

import json

import pytest

from detic.datasets.image_labels.class_index import ClassIndex, read_class_map
from detic.errors import InputError

NAMES = ["alarm_clock", "bow_(weapon)", "china", "China", "cup", "mouse", "mouse"]


@pytest.fixture
def classes():
    return ClassIndex(NAMES)


@pytest.mark.parametrize(
    ("label", "index"),
    [
        ("alarm_clock", 0),
        ("alarm clock", 0),
        ("Alarm  Clock ", 0),
        ("bow (weapon)", 1),
        ("China", 3),  # capitals decide between names that differ in nothing else
        ("teapot", None),
    ],
)
def test_names_are_found_however_they_are_spelt(classes, label, index):
    assert classes.find(label) == index


def test_a_name_of_two_classes_is_refused(classes):
    with pytest.raises(InputError, match="'mouse' is the name of 2 classes, numbers 6, 7; choose"):
        classes.find("mouse")
    with pytest.raises(InputError, match="'CHINA' is the name of 2 classes, numbers 3, 4"):
        classes.find("CHINA")


def test_a_map_leads_to_ids_from_one_or_to_names():
    classes = ClassIndex(NAMES, {"n01": 7, "n02": "cup", "cup": "china"})
    assert [classes.find(label) for label in ("n01", "n02", "cup")] == [6, 4, 2]
    assert classes.find("alarm_clock") == 0
    assert classes.find("n03") is None


def test_a_map_that_leads_nowhere_is_refused():
    classes = ClassIndex(NAMES, {"n01": 8, "n02": "cups", "n03": 0})
    with pytest.raises(InputError, match="class map, 'n01': there is no class number 8; 7 classes"):
        classes.find("n01")
    with pytest.raises(InputError, match=r"class map, 'n02': unknown class 'cups'; .*mean 'cup'"):
        classes.find("n02")
    with pytest.raises(InputError, match="there is no class number 0"):
        classes.find("n03")


def test_an_unknown_label_gives_the_nearest_class(classes):
    with pytest.raises(InputError, match=r"table\.csv: unknown class 'cap'; .*did you mean 'cup'"):
        classes.require("cap", "table.csv")


def test_without_a_map_every_name_must_be_a_class(classes, tmp_path):
    with pytest.raises(InputError, match="teapot: unknown class 'teapot'"):
        classes.match_names([tmp_path / "cup", tmp_path / "teapot"])


def test_with_a_map_other_names_are_left_out(tmp_path):
    classes = ClassIndex(NAMES, {"n01": "cup"})
    paths = [tmp_path / "n01", tmp_path / "n02"]
    assert classes.match_names(paths) == [(paths[0], 4)]
    with pytest.raises(InputError, match=r"none of 1 names, the first being '.*n02', is a class"):
        classes.match_names(paths[1:])
    with pytest.raises(InputError, match="none of 0 names"):
        classes.match_names([])


def test_a_class_map_is_read_and_checked(tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"n01": 3, "n02": "cup"}))
    assert read_class_map(path) == {"n01": 3, "n02": "cup"}
    for content in (["n01"], {"n01": 1.5}, {"n01": True}):
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match=r"map\.json is no class map; expected a json object"):
            read_class_map(path)
