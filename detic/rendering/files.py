"""Drawings to files, and before people's eyes.

Shapes: H x W image.
"""

import os
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageShow

from detic.errors import InputError
from detic.files import write_bytes

# Of the image formats that are written.
WRITABLE = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"))


def check_suffix(path: str | os.PathLike) -> None:
    """Raise InputError if the suffix of a file is not that of an image, or of a .json file."""
    suffix = Path(path).suffix
    if suffix.lower() not in WRITABLE:
        raise InputError(
            f"{path}: {suffix or 'a name without suffix'} is not written; choose "
            f"{', '.join(sorted(WRITABLE))} for a drawing, .json for what was found"
        )


def write_image(path: str | os.PathLike, image_bgr: np.ndarray) -> None:
    """Write an image (H, W, 3) uint8 in the format of its suffix."""
    suffix = Path(path).suffix
    is_encoded, content = cv2.imencode(suffix, image_bgr)
    if not is_encoded:
        raise InputError(f"OpenCV cannot write {suffix} images; choose .jpg or .png")
    write_bytes(path, content.tobytes())


def show_image(image_bgr: np.ndarray) -> None:
    """Show an image (H, W, 3) uint8 in the notebook that this runs in, else in a viewer of the system.

    Raises:
        InputError: there is none.
    """
    image = Image.fromarray(np.ascontiguousarray(image_bgr[:, :, ::-1]))
    if _is_in_notebook():
        from IPython.display import display

        display(image)
    elif not ImageShow.show(image):
        raise InputError('no program here shows images; `save("found.png")` writes the drawing')


def _is_in_notebook() -> bool:
    ipython = sys.modules.get("IPython")  # what nobody has imported runs nothing
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None
