"""Images of test sets as the model sees them, for those who watch a training.

Shapes: H x W image.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from detectron2.data import MetadataCatalog
from torch import Tensor

from detic.detections import from_instances
from detic.rendering import DrawStyle, draw

MIN_SCORE = 0.3  # of what is drawn
LOOKED_AT_PX = 640  # the longer side of a drawing is about this


class ShownImages:
    """Drawings of the first images of each test set, in one evaluation.

    Args:
        count: images of a test set.
        channel_order: of the model's images, BGR or RGB.
    """

    def __init__(self, count: int, channel_order: str):
        self._count = count
        self._channel_order = channel_order
        self._num_drawn: Counter[str] = Counter()
        self._drawn: list[tuple[str, np.ndarray]] = []

    def look(self, dataset: str, images: Sequence[dict], outputs: Sequence[dict]) -> None:
        """Draw what the model found, unless there are enough images of the test set.

        Args:
            dataset: its name.
            images: with ``image``, (C, h, w), and the ``height`` and ``width`` of the file.
            outputs: with ``instances`` in the frame of the file.
        """
        wanted = self._count - self._num_drawn[dataset]
        for image, output in zip(images[:wanted], outputs, strict=False):
            number = self._num_drawn[dataset]
            drawing = self._drawing(dataset, image, output)
            self._drawn.append((f"{dataset}/{number}", drawing))
            self._num_drawn[dataset] += 1

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield names such as ``my_val/0`` and drawings, (H, W, 3) uint8 RGB."""
        return iter(self._drawn)

    def _drawing(self, dataset: str, image: dict, output: dict) -> np.ndarray:
        names = np.array(MetadataCatalog.get(dataset).thing_classes)
        found = from_instances(output["instances"], names)
        pixels = as_bgr(image["image"], self._channel_order)
        size_wh = (image["width"], image["height"])
        pixels = cv2.resize(pixels, size_wh, interpolation=cv2.INTER_AREA)
        side = max(size_wh)
        style = DrawStyle(upscale=max(1, min(4, LOOKED_AT_PX // side)))
        drawing = draw(pixels, found[found.scores >= MIN_SCORE], style)
        factor = LOOKED_AT_PX / max(drawing.shape[:2])
        if factor < 1:
            drawing = cv2.resize(drawing, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(drawing[..., ::-1])


def as_bgr(image: Tensor, channel_order: str) -> np.ndarray:
    """Return a model's image (3, h, w) as an array (h, w, 3) uint8 BGR."""
    pixels = image.detach().cpu().permute(1, 2, 0).numpy().clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels[..., ::-1] if channel_order == "RGB" else pixels)
