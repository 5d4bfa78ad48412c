"""Exported detectors without torch: an image and class names in, detections out.

It needs NumPy, Pillow, and ONNX Runtime or OpenVINO.
"""

from detic_lite.detections import Detection, Detections
from detic_lite.detector import LiteDetector
from detic_lite.errors import InputError
from detic_lite.version import VERSION as __version__

__all__ = ["Detection", "Detections", "InputError", "LiteDetector", "__version__"]
