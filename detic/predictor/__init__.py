"""The Python interface: an image and a vocabulary in, detections out."""

from detic.predictor.detector import Detector

__all__ = ["Detector"]
