"""The Python interface: a picture and a vocabulary in, detections out."""

from detic.predictor.detector import Detector

__all__ = ["Detector"]
