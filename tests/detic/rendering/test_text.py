from unittest.mock import Mock

import cv2
import numpy as np
import pytest

from detic.errors import InputError
from detic.rendering import text as text_module
from detic.rendering.faces import OpenCVFace, PillowFace, face_of
from detic.rendering.text import Font, drawable

FACES = [PillowFace]
if hasattr(cv2, "FontFace"):  # from OpenCV 5 on
    FACES.append(OpenCVFace)
each_face = pytest.mark.parametrize("face", FACES)
needs_opencv_5 = pytest.mark.skipif(OpenCVFace not in FACES, reason="OpenCV 4 has no fonts")


@each_face
def test_letters_lie_inside_the_measured_width(face):
    font = Font(14, face=face)
    canvas = np.zeros((30, 200, 3), np.uint8)
    font.write(canvas, "traffic light", 10, 20, (255, 255, 255))
    columns = np.flatnonzero(canvas.any(axis=(0, 2)))
    assert columns[0] >= 10
    assert columns[-1] <= 10 + font.width("traffic light")


@each_face
def test_letters_stand_on_their_line_in_their_color(face):
    canvas = np.zeros((40, 60, 3), np.uint8)
    Font(20, face=face).write(canvas, "H", 10, 30, (255, 0, 128))
    rows = np.flatnonzero(canvas.any(axis=(1, 2)))
    assert rows[-1] in (29, 30)
    assert 10 <= rows[-1] - rows[0] <= 16
    assert canvas.max(axis=(0, 1)).tolist() == [128, 0, 255]  # BGR


@each_face
def test_long_texts_lose_letters_but_not_their_ending(face):
    font = Font(14, face=face)
    assert font.shorten("a cat with a hat", " 90%", width_px=200) == "a cat with a hat 90%"
    shortened = font.shorten("a cat with a hat", " 90%", width_px=90)
    assert shortened.startswith("a cat")
    assert shortened.endswith("... 90%")
    assert font.width(shortened) <= 90
    assert font.shorten("猫", " 90%", width_px=1) == "... 90%"


@each_face
def test_ascii_is_drawn_as_it_is(face):
    assert drawable("traffic light?", face=face) == "traffic light?"


@needs_opencv_5
@pytest.mark.parametrize("text", ["café", "猫", "Жук", "Ωmega", "日本語", "한국어"])
def test_other_scripts_are_drawn_as_they_are(text):
    assert drawable(text) == text


@pytest.mark.parametrize(
    ("face", "text", "drawn"),
    [
        pytest.param(OpenCVFace, "big क?", "big \\u0915?", marks=needs_opencv_5),
        (PillowFace, "big क? 猫", "big \\u0915? \\u732b"),
    ],
)
def test_characters_without_a_glyph_become_their_codes(caplog, face, text, drawn):
    text_module._is_lacking.cache_clear()  # it warns once
    assert drawable(text, face=face) == drawn
    assert "name a TrueType font" in caplog.text


@pytest.mark.parametrize("content", [None, b"", b"no font", b"\0\1\0\0" + bytes(500)])
def test_unreadable_font_is_named(tmp_path, content):
    font = tmp_path / "none.ttf"
    if content is not None:
        font.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot read the font '.*none.ttf'"):
        Font(14, str(font))


def test_fonts_from_elsewhere_are_not_for_opencv():
    assert face_of("mine.ttf") is PillowFace
    assert face_of(None) is (OpenCVFace if OpenCVFace in FACES else PillowFace)


def test_a_damaged_letter_is_of_an_unreadable_font(monkeypatch):
    face = PillowFace(14)
    monkeypatch.setattr(face._font, "getbbox", Mock(side_effect=OSError("invalid outline")))
    with pytest.raises(InputError, match="cannot read the font"):
        face.width("a")
