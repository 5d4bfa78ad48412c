"""A detector that finds one cat in every image at once, and files to give it."""

import cv2
import numpy as np
import pytest

from detic.demo.detection_run import DetectionRun, RunOptions
from detic.detections import Detections
from tests.tiny_detector import noise

NUM_FRAMES, FPS = 5, 12.0


class CatDetector:
    """Stands for a Detector; remembers the batch sizes it was called with."""

    def __init__(self):
        self.batch_sizes = []

    def __call__(self, images, *, batch_size, masks, features, all_scores):
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


def variable_rate(times_ms, fps, count):
    """Return a class like cv2.VideoCapture whose frames come at given times."""
    real = cv2.VideoCapture

    class Capture:
        def __init__(self, path):
            self.real = real(path)
            self.number = -1

        def __getattr__(self, name):
            return getattr(self.real, name)

        def read(self):
            self.number += 1
            return self.real.read() if self.number < len(times_ms) else (False, None)

        def get(self, key):
            known = {cv2.CAP_PROP_FPS: fps, cv2.CAP_PROP_FRAME_COUNT: count}
            return known[key] if key in known else times_ms[self.number]

    return lambda path: Capture(path) if str(path).endswith("clip.avi") else real(path)


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


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (64, 48))
    for number in range(NUM_FRAMES):
        writer.write(np.full((48, 64, 3), 40 * number, np.uint8))
    writer.release()
    return path
