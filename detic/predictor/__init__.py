"""The Python interface: a picture and a vocabulary in, detections out."""

from detic.predictor.detections import Detections
from detic.predictor.detector import Detector

__all__ = ["Detections", "Detector"]
