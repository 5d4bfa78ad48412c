import numpy as np
import pytest

from detic.errors import InputError
from detic.rendering import text as text_module
from detic.rendering.text import Font, drawable


def test_letters_lie_inside_the_measured_width():
    font = Font(14)
    canvas = np.zeros((30, 200, 3), np.uint8)
    font.write(canvas, "traffic light", 10, 20, (255, 255, 255))
    columns = np.flatnonzero(canvas.any(axis=(0, 2)))
    assert columns[0] >= 10
    assert columns[-1] <= 10 + font.width("traffic light")


def test_long_texts_lose_letters_but_not_their_ending():
    font = Font(14)
    assert font.shorten("a cat with a hat", " 90%", width_px=200) == "a cat with a hat 90%"
    shortened = font.shorten("a cat with a hat", " 90%", width_px=90)
    assert shortened == "a cat... 90%"
    assert font.width(shortened) <= 90 < font.width("a cat w... 90%")
    assert font.shorten("猫", " 90%", width_px=1) == "... 90%"


@pytest.mark.parametrize("text", ["café", "猫", "Жук", "Ωmega", "日本語", "한국어"])
def test_other_scripts_are_drawn_as_they_are(text):
    assert drawable(text) == text


def test_characters_without_a_glyph_become_their_codes(caplog):
    text_module._is_lacking.cache_clear()  # it warns once
    assert drawable("big क?") == "big \\u0915?"
    assert "name a TrueType font" in caplog.text


def test_unreadable_font_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the font '.*none.ttf'"):
        Font(14, str(tmp_path / "none.ttf"))
