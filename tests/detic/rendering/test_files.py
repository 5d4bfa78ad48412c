import cv2
import numpy as np

from detic.rendering.files import write_image
from tests.tiny_detector import noise


def test_images_are_written_as_they_are(tmp_path):
    write_image(tmp_path / "more" / "a.png", noise())
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "more" / "a.png")), noise())
