"""Colours of classes: a name has the same colour in every image and every vocabulary.

Colours are (red, green, blue) from 0 to 255 unless a name says otherwise.
"""

import hashlib
import math
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache

RGB = tuple[int, int, int]

# Okabe and Ito's colours, which people with any colour vision tell apart, without black.
_OKABE_ITO: tuple[RGB, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
# One of many, with which the classes that images show most (person, car, chair, dog, cat...) have
# colours far apart.
_SALT = (3853).to_bytes(2, "big")
# (lightness, chroma) in OKLCH. Neighbouring hues differ in tone more often than not.
_VIVID_TONES = ((0.63, 0.22), (0.70, 0.19), (0.76, 0.16))
_PASTEL_TONES = ((0.80, 0.08), (0.85, 0.07), (0.90, 0.06))
# Dark yellow is brown or olive, which hides on most photographs.
_YELLOW_HUE = 100
_YELLOW_LIFT = 0.14
_LIGHTEST = 0.92
# In OKLab: what people tell apart at a glance, in lines and small areas
_FAR = 0.16
_NUM_CANDIDATES = 48  # colours that a class chooses from where its own is taken
MOST_APART = 24  # classes; among more, none is far from all others


@lru_cache(maxsize=4096)
def class_color(name: str, palette: str = "vivid") -> RGB:
    """Return the colour of a class.

    Args:
        name: the class name; nothing but the name decides.
        palette: a key of ``PALETTES``.
    """
    return _candidate(name, 0, palette)


def distinct_colors(
    names: Collection[str], palette: str = "vivid", taken: Mapping[str, RGB] | None = None
) -> dict[str, RGB]:
    """Return colours of classes that can be told apart.

    Each is the class's own, ``class_color``, unless that is close to one that is taken, or is the own
    one of a class before it in the alphabet. Those that have to give way choose after all others.

    Args:
        names: of classes.
        palette: a key of ``PALETTES``.
        taken: colours that are given already, also to some of the names; they come back with the rest.
    """
    colors = dict(taken or {})
    waiting = []
    for name in sorted(set(names) - colors.keys()):
        own = class_color(name, palette)
        if _distance(own, colors.values()) >= _FAR:
            colors[name] = own
        else:
            waiting.append(name)
    for name in waiting:
        is_crowd = len(colors) >= MOST_APART
        own = class_color(name, palette)
        colors[name] = own if is_crowd else _apart_from(colors.values(), name, palette)
    return colors


def _apart_from(taken: Collection[RGB], name: str, palette: str) -> RGB:
    """Return the first colour of a class that is far from those taken, else the farthest."""
    candidates = [_candidate(name, number, palette) for number in range(_NUM_CANDIDATES)]
    distances = [_distance(color, taken) for color in candidates]
    far = next((i for i, distance in enumerate(distances) if distance >= _FAR), None)
    return candidates[distances.index(max(distances)) if far is None else far]


def _distance(color: RGB, others: Collection[RGB]) -> float:
    """Return how far a colour is, in OKLab, from the nearest of others."""
    here = oklab(color)
    return min((math.dist(here, oklab(other)) for other in others), default=math.inf)


@lru_cache(maxsize=4096)
def _candidate(name: str, number: int, palette: str) -> RGB:
    """Return one of the colours that a class may have; number 0 is its own."""
    text = f"{name}\0{number}" if number else name
    digest = hashlib.blake2b(text.encode(), digest_size=8, salt=_SALT).digest()
    return PALETTES[palette](int.from_bytes(digest, "big"))


def text_color(background: RGB) -> RGB:
    """Return black or white, whichever is better to read on ``background``."""
    red, green, blue = (_linear(part / 255) for part in background)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # WCAG 2
    on_white = 1.05 / (luminance + 0.05)
    on_black = (luminance + 0.05) / 0.05
    # Small white letters look heavier than black ones, so they win somewhat early.
    return (255, 255, 255) if on_white * 1.6 > on_black else (16, 16, 16)


def oklch_to_rgb(lightness: float, chroma: float, hue_degrees: float) -> RGB:
    """Return the sRGB colour of an OKLCH one, less saturated if the screen cannot show it.

    Source: Ottosson, A perceptual color space for image processing, 2020.
    """
    while True:
        hue = math.radians(hue_degrees)
        linear = _oklab_to_linear(lightness, chroma * math.cos(hue), chroma * math.sin(hue))
        if chroma < 1e-3 or all(-1e-4 <= part <= 1 for part in linear):
            break
        chroma *= 0.95
    red, green, blue = (round(255 * _gamma(min(max(part, 0.0), 1.0))) for part in linear)
    return red, green, blue


@lru_cache(maxsize=4096)
def oklab(color: RGB) -> tuple[float, float, float]:
    """Return lightness, a and b of an sRGB colour in OKLab, where distances are as people see them.

    Source: as of ``oklch_to_rgb``.
    """
    red, green, blue = (_linear(part / 255) for part in color)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def _oklab_to_linear(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _gamma(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def _linear(encoded: float) -> float:
    return encoded / 12.92 if encoded <= 0.04045 else ((encoded + 0.055) / 1.055) ** 2.4


def _from_tones(tones: tuple[tuple[float, float], ...], digest: int) -> RGB:
    """Return a colour of one of the tones; the digest's parts choose tone and hue."""
    rest, tone = divmod(digest, len(tones))
    hue = rest % 36000 / 100
    lightness, chroma = tones[tone]
    lightness += _YELLOW_LIFT * max(0.0, math.cos(math.radians(hue - _YELLOW_HUE)))
    return oklch_to_rgb(min(lightness, _LIGHTEST), chroma, hue)


# The colour of a 64-bit digest.
PALETTES: dict[str, Callable[[int], RGB]] = {
    "vivid": lambda digest: _from_tones(_VIVID_TONES, digest),
    "pastel": lambda digest: _from_tones(_PASTEL_TONES, digest),
    "colorblind": lambda digest: _OKABE_ITO[digest % len(_OKABE_ITO)],
}
