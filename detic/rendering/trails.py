"""The ways of tracked objects through the last frames.

Shapes: H x W image, K enlargement.
"""

from collections import deque

import cv2
import numpy as np

from detic.detections import Detections
from detic.rendering.style import DrawStyle

_LENGTH = 30  # frames
_THICKNESS = 0.15  # of the text's height


class Trails:
    """Where the objects of a video were.

    Args:
        length: of a trail, frames; an object that is not seen for so long loses its trail.
    """

    def __init__(self, length: int = _LENGTH):
        self._length = length
        self._frame = 0
        self._places: dict[int, deque[tuple[int, tuple[float, float]]]] = {}  # frame, centre (x, y)

    def paint(self, canvas: np.ndarray, detections: Detections, style: DrawStyle) -> None:
        """Draw the trails of a frame's tracked objects onto ``canvas`` (K H, K W, 3) uint8 BGR.

        Args:
            detections: of the next frame.
            style: that the frame is drawn in; K is its ``upscale``.
        """
        if detections.track_ids is None:
            return
        self._remember(detections)
        line_px = max(1, round(_THICKNESS * style.text_px(canvas.shape[:2])))
        for track_id, name in zip(detections.track_ids.tolist(), detections.names, strict=True):
            if track_id in self._places:
                places = np.array([place for _, place in self._places[track_id]])
                points = np.round(places * style.upscale).astype(np.int32)
                color = style.color(str(name))[::-1]
                cv2.polylines(canvas, [points], False, color, line_px, cv2.LINE_AA)

    def _remember(self, detections: Detections) -> None:
        assert detections.track_ids is not None
        self._frame += 1
        centers = (detections.boxes_xyxy[:, :2] + detections.boxes_xyxy[:, 2:]) / 2
        for track_id, (x, y) in zip(detections.track_ids.tolist(), centers.tolist(), strict=True):
            if track_id >= 0:
                self._places.setdefault(track_id, deque()).append((self._frame, (x, y)))
        for track_id, places in list(self._places.items()):
            while places and places[0][0] <= self._frame - self._length:
                places.popleft()
            if not places:
                del self._places[track_id]
