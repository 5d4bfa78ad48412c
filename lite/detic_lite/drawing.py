"""Detections drawn onto their image by Pillow.

Shapes: N detections, H x W image, h x w window of it.
"""

import colorsys
import os
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from detic_lite.detections import Detections
from detic_lite.errors import InputError
from detic_lite.images import ImageLike, load_image

RGB = tuple[int, int, int]
_OPACITY = 0.3  # of a mask inside its outline
_TEXT_SHARE = 0.03  # of the image's side: height of letters
_SMALLEST_TEXT_PX = 9
_GOLDEN_SECTION = 0.618034

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_Corners = tuple[int, int, int, int]  # xyxy, pixels


def draw(
    image: ImageLike, detections: Detections, font_file: str | os.PathLike | None = None
) -> Image.Image:
    """Return an image of Pillow's, in mode RGB, with masks, boxes and labels.

    Args:
        image: that the detections were found in, of any kind that ``LiteDetector`` takes.
        detections: what was found there. Labels decide on colours: a class has the same in all images.
        font_file: TrueType; None: Pillow's own font, which lacks most scripts.

    Raises:
        InputError: the image cannot be read or has another size, or the font cannot be read.
    """
    drawing = load_image(image)
    if (drawing.height, drawing.width) != tuple(detections.image_size_hw):
        height, width = detections.image_size_hw
        raise InputError(
            f"detections of an image of {width} x {height} pixels cannot be drawn onto one of "
            f"{drawing.width} x {drawing.height}"
        )
    colors = [
        detections.class_colors.get(name) or label_color(label)
        for name, label in zip(detections.names.tolist(), detections.labels.tolist(), strict=True)
    ]
    text_px = max(_SMALLEST_TEXT_PX, round(_TEXT_SHARE * (drawing.width * drawing.height) ** 0.5))
    font = load_font(text_px, font_file)
    areas = (detections.boxes_xyxy[:, 2:] - detections.boxes_xyxy[:, :2]).prod(axis=1)
    largest_first = np.argsort(-areas, kind="stable").tolist()
    if detections.masks is not None:
        drawing = _with_masks(drawing, detections, colors, largest_first)
    canvas = ImageDraw.Draw(drawing)
    for i in largest_first:
        x1, y1, x2, y2 = detections.boxes_xyxy[i].round().astype(int).tolist()
        right, bottom = max(x1, x2 - 1), max(y1, y2 - 1)
        canvas.rectangle((x1, y1, right, bottom), outline=colors[i], width=max(1, text_px // 7))
    taken: list[_Corners] = []
    for i in reversed(largest_first):  # large objects have more places to offer
        text = f"{detections.names[i]} {detections.scores[i]:.0%}"
        _label(canvas, text, detections.boxes_xyxy[i], colors[i], font, taken)
    return drawing


def label_color(label: int) -> RGB:
    """Return the colour of a class; classes whose labels are close have hues far apart."""
    hue = label * _GOLDEN_SECTION % 1
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.8, 0.95))
    return red, green, blue


def load_font(text_px: int = _SMALLEST_TEXT_PX, font_file: str | os.PathLike | None = None) -> Font:
    """Return a font of Pillow's.

    Raises:
        InputError: the file cannot be read as a font.
    """
    try:
        if font_file is None:
            return ImageFont.load_default(text_px)
        return ImageFont.truetype(os.fspath(font_file), text_px)
    except OSError as error:
        raise InputError(
            f"cannot read the font {font_file}; name a TrueType file (.ttf)"
        ) from error


def _with_masks(
    drawing: Image.Image, detections: Detections, colors: list[RGB], order: list[int]
) -> Image.Image:
    """Return the image under translucent masks with outlines, painted in an order."""
    assert detections.masks is not None
    pixels = np.array(drawing)
    for i in order:
        mask = detections.masks[i]
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        if rows.size == 0:
            continue
        window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        inside, part = mask[window], pixels[window]
        opacity = np.where(inside & ~_eroded(inside), 1, _OPACITY * inside)[:, :, None]  # (h, w, 1)
        part[...] = np.round(part + (np.array(colors[i]) - part) * opacity)
    return Image.fromarray(pixels)


def _eroded(mask: np.ndarray) -> np.ndarray:
    """Return the pixels of a mask (h, w) whose four neighbours are pixels of it, too."""
    wide = np.pad(mask, 1)
    return wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]


def _label(
    canvas: ImageDraw.ImageDraw,
    text: str,
    box_xyxy: np.ndarray,
    color: RGB,
    font: Font,
    taken: list[_Corners],
) -> None:
    """Write a label near its box, in the first place that is free; in none if all are taken."""
    left, top, right, bottom = canvas.textbbox((0, 0), text, font)
    size = (int(right - left) + 4, int(bottom - top) + 4)
    for x, y in _places(box_xyxy, size, canvas.im.size):
        corners = (x, y, x + size[0], y + size[1])
        if not any(_overlap(corners, other) for other in taken):
            taken.append(corners)
            canvas.rectangle((x, y, corners[2] - 1, corners[3] - 1), fill=color)
            canvas.text((x + 2 - left, y + 2 - top), text, _text_color(color), font)
            return


def _places(
    box_xyxy: np.ndarray, size_wh: tuple[int, int], canvas_wh: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """Yield top left corners of a label, the best first: above the box, inside it, below it."""
    x1, y1, x2, y2 = box_xyxy.round().astype(int).tolist()
    width, height = size_wh
    room = canvas_wh[0] - width, canvas_wh[1] - height
    for y in (y1 - height, y1, y2, y2 - height):
        for x in (x1, x2 - width, (x1 + x2 - width) // 2):
            if 0 <= y <= room[1]:
                yield max(0, min(x, room[0])), y


def _overlap(one: _Corners, other: _Corners) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _text_color(background: RGB) -> RGB:
    """Return black or white, whichever is better to read on a colour."""
    red, green, blue = background
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else (255, 255, 255)
