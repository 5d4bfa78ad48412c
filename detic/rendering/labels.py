"""Where labels go: near their boxes, inside the image, never on top of each other.

Shapes: N boxes, H x W canvas; boxes are xyxy pixels of the canvas.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

Size = tuple[int, int]  # width, height


def place_labels(
    boxes_xyxy: np.ndarray, sizes_wh: Sequence[Size], canvas_size_hw: tuple[int, int]
) -> list[tuple[int, int] | None]:
    """Return the top left corner of each label, None where no place is free.

    Small boxes choose first: large ones have more places to offer.

    Args:
        boxes_xyxy: (N, 4).
        sizes_wh: N labels.
    """
    height, width = canvas_size_hw
    taken = np.zeros((height, width), dtype=bool)
    places: list[tuple[int, int] | None] = [None] * len(sizes_wh)
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    for i in np.argsort(sides.prod(axis=1), kind="stable"):
        label_wh = sizes_wh[i]
        for x, y in _candidates(boxes_xyxy[i], label_wh, (width, height)):
            spot = taken[y : y + label_wh[1], x : x + label_wh[0]]
            if not spot.any():
                spot[...] = True
                places[i] = (x, y)
                break
    return places


def _candidates(box_xyxy: np.ndarray, label_wh: Size, canvas_wh: Size) -> Iterator[tuple[int, int]]:
    """Yield top left corners of a label, the best first, all of them inside the canvas."""
    x1, y1, x2, y2 = (round(float(v)) for v in box_xyxy)
    width, height = label_wh
    room_x, room_y = canvas_wh[0] - width, canvas_wh[1] - height
    if room_x < 0 or room_y < 0:
        return
    above, inside_top, inside_bottom, below = y1 - height, y1, y2 - height, y2
    left, right, middle = x1, x2 - width, (x1 + x2 - width) // 2
    rows = (above, inside_top, below, inside_bottom)
    beside = ((x2, inside_top), (x1 - width, inside_top), (x2, inside_bottom))
    along = ((left + step * width // 2, row) for row, step in product(rows, (1, -1, 2, -2)))
    corners = ((x, row) for row, x in product(rows, (left, right, middle)))
    for x, y in (*corners, *beside, *along):
        if 0 <= y <= room_y:
            yield min(max(x, 0), room_x), y
