"""Correcting names of Objects365, leaving out missing images."""

import pytest

from detic.errors import InputError
from detic.preparation.objects365 import fix_names, read_name_fixes, without_missing_images

FIXES = {53: ("Bakset", "Basket")}


def named(*categories):
    return {"categories": [{"id": number, "name": name} for number, name in categories]}


def test_misspelt_names_are_corrected_and_spaces_of_others_stay():
    fixed = fix_names(named((53, "Bakset"), (365, "Table Tennis ")), FIXES)
    assert fixed == named((53, "Basket"), (365, "Table Tennis "))


def test_correcting_twice_is_correcting_once():
    once = fix_names(named((53, " Bakset")), FIXES)
    assert fix_names(once, FIXES) == once == named((53, "Basket"))


def test_spaces_are_no_correction():
    assert fix_names(named((1, "Person ")), {1: ("Person", "Person")}) == named((1, "Person "))


def test_other_names_are_refused():
    with pytest.raises(InputError, match="category 53 is called 'Chair', expected 'Bakset'"):
        fix_names(named((53, "Chair")), FIXES)


def test_tables_of_corrections_have_dos_line_ends(tmp_path):
    path = tmp_path / "fix.csv"
    path.write_bytes(b"53,Bakset,Basket\r\n1,Person,Person\r\n")
    assert read_name_fixes(path) == {53: ("Bakset", "Basket"), 1: ("Person", "Person")}
    path.write_bytes(b"id,released,corrected\n")
    with pytest.raises(InputError, match="line 1"):
        read_name_fixes(path)
    with pytest.raises(InputError, match="not found"):
        read_name_fixes(tmp_path / "none.csv")


def test_missing_images_go_with_their_annotations(tmp_path):
    (tmp_path / "images/v1").mkdir(parents=True)
    (tmp_path / "images/v1/a.jpg").touch()
    document = {
        "images": [
            {"id": 1, "file_name": "images/v1/a.jpg"},
            {"id": 2, "file_name": "images/v1/b.jpg"},
            {"id": 3, "file_name": "images/v2/c.jpg"},
        ],
        "annotations": [{"id": 1, "image_id": 1}, {"id": 2, "image_id": 2}],
    }
    kept, missing = without_missing_images(document, tmp_path)
    assert kept == {"images": document["images"][:1], "annotations": [{"id": 1, "image_id": 1}]}
    assert missing == ["images/v1/b.jpg", "images/v2/c.jpg"]
