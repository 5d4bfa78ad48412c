"""A short video, and one whose frames come at times of one's choice."""

from pathlib import Path

import cv2
import numpy as np

NUM_FRAMES, FPS = 5, 12.0


def write_clip(path: Path) -> Path:
    """Write a video whose frames are each brighter than the one before."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (64, 48))
    for number in range(NUM_FRAMES):
        writer.write(np.full((48, 64, 3), 40 * number, np.uint8))
    writer.release()
    return path


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
