from xml.etree import ElementTree

import numpy as np
import pytest

from detic.outputs import WRITERS, ImageRecord
from detic.outputs.voc import annotation, pixel_box


def test_xml_has_an_object_per_detection(tmp_path, found, image, categories):
    with WRITERS["voc"](tmp_path, categories) as write:
        write(image, found)
    root = ElementTree.parse(tmp_path / "desk.xml").getroot()
    assert root.findtext("folder") == "photos"
    assert root.findtext("filename") == "desk.jpg"
    assert [root.findtext(f"size/{side}") for side in ("width", "height", "depth")] == [
        "60",
        "40",
        "3",
    ]
    first, second = root.findall("object")
    assert first.findtext("name") == "café, large"
    sides = ("xmin", "ymin", "xmax", "ymax")
    assert [int(second.findtext(f"bndbox/{side}")) for side in sides] == [1, 21, 12, 40]
    assert float(second.findtext("score")) == 0.5


def test_parents_are_elements_of_their_own(found_kinds, image):
    first, second = annotation(image, found_kinds).findall("object")
    assert (first.findtext("name"), first.findtext("parent")) == ("café, large", "drink")
    assert second.find("parent") is None


def test_images_in_folders_have_files_in_folders(tmp_path, found, categories):
    with WRITERS["voc"](tmp_path, categories) as write:
        write(ImageRecord("photos/a/desk.jpg", 1, "a/desk"), found)
    assert (tmp_path / "a" / "desk.xml").is_file()


@pytest.mark.parametrize(
    ("box", "pixels"),
    [
        ((0, 0, 60, 40), (1, 1, 60, 40)),  # the whole image
        ((10.4, 5.4, 40.4, 20.4), (11, 6, 40, 20)),
        ((59.8, 39.8, 60, 40), (60, 40, 60, 40)),  # less than a pixel, in the last one
    ],
)
def test_pixels_count_from_one_to_the_last_inside(box, pixels):
    assert pixel_box(np.array(box, dtype=np.float32), (40, 60)) == pixels


def test_file_names_that_xml_cannot_hold_are_escaped(tmp_path, found, categories):
    with WRITERS["voc"](tmp_path, categories) as write:
        write(ImageRecord("a\x0bb\udcff.jpg", 1, "a"), found)
    tree = ElementTree.parse(tmp_path / "a.xml")
    assert tree.findtext("filename") == "a\\x0bb\\xdcff.jpg"
