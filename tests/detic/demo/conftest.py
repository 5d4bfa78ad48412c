"""A detector that finds one cat in every image at once, and files to give it."""

import cv2
import numpy as np
import pytest

from detic.demo.detection_run import DetectionRun, RunOptions
from detic.detections import Detections
from tests.tiny_detector import noise


class CatDetector:
    """Stands for a Detector; remembers the batch sizes it was called with."""

    def __init__(self):
        self.batch_sizes = []

    def __call__(self, images, *, batch_size, masks, features, all_scores, tiles):
        self.batch_sizes.append(len(images))
        return [self.detect(image.shape[:2], features, all_scores) for image in images]

    @staticmethod
    def detect(size_hw, features, all_scores):
        return Detections(
            boxes_xyxy=np.array([[5.0, 5.0, 30.0, 30.0]], np.float32),
            scores=np.array([0.75], np.float32),
            labels=np.array([0]),
            names=np.array(["cat"]),
            image_size_hw=size_hw,
            region_embeddings=np.ones((1, 4), np.float32) if features else None,
            class_scores=np.ones((1, 1), np.float32) if all_scores else None,
        )


@pytest.fixture
def make_run():
    return lambda **options: DetectionRun(CatDetector(), RunOptions(**options))


@pytest.fixture
def photos(tmp_path):
    """A folder of two images, a broken one, a note, and an image in a folder."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.JPG", "more/c.png")):
        cv2.imwrite(str(folder / name), noise(48, 64, seed=number))
    (folder / "broken.jpg").write_text("no image")
    (folder / "note.txt").write_text("no image either")
    return folder
