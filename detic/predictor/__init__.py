"""The Python interface: an image and a vocabulary in, detections out."""

from detic.predictor.detector import Detector
from detic.predictor.prepared_vocabulary import PreparedVocabulary

__all__ = ["Detector", "PreparedVocabulary"]
