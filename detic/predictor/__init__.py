"""The Python interface: an image and a vocabulary in, detections out."""

from detic.predictor.detector import Detector
from detic.predictor.prepared_vocabulary import PreparedVocabulary
from detic.predictor.tiles import Tiles
from detic.predictor.video import FrameResult

__all__ = ["Detector", "FrameResult", "PreparedVocabulary", "Tiles"]
