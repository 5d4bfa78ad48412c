"""A labeller that reads no image: what it finds follows from the name, in microseconds.

Names with ``broken`` fail. A file ``slow`` in the working directory holds the seconds that an image takes.
"""

import time
import zlib
from pathlib import Path

import numpy as np

from detic.detections import Detections
from detic.labelling.shards import Failure

CLASS_NAMES = ("cup", "mug", "jug")
SIZE_HW = (48, 64)


class QuickLabeller:
    class_names = CLASS_NAMES

    def __init__(self):
        slow = Path("slow")
        self.delay_s = float(slow.read_text()) if slow.is_file() else 0.0

    def __call__(self, images):
        for image in images:
            time.sleep(self.delay_s)
            if isinstance(image, Failure):
                yield image.name, image
            elif "broken" in image.name:
                yield image.name, Failure(image.name, "it is broken")
            else:
                yield image.name, found_in(image.name)


def found_in(name):
    """The objects of an image: none, one or two."""
    number = zlib.crc32(name.encode(errors="surrogateescape"))
    labels = np.arange(number % 3) % len(CLASS_NAMES)
    corners = np.array([[i, number % 40, i + 10.5, number % 40 + 5.25] for i in range(len(labels))])
    return Detections(
        boxes_xyxy=corners.reshape(-1, 4).astype(np.float32),
        scores=np.linspace(0.9, 0.6, len(labels), dtype=np.float32),
        labels=labels,
        names=np.array(CLASS_NAMES)[labels],
        image_size_hw=SIZE_HW,
        masks=np.array([np.eye(*SIZE_HW, k=label, dtype=bool) for label in labels]).reshape(
            -1, *SIZE_HW
        ),
    )


def make():
    return QuickLabeller()
