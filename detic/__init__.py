"""Detic: an open-vocabulary detector trained on boxes and on image labels.

Importing registers the model, its backbones and heads and the datasets with detectron2.

    from detic import Detector
    detector = Detector.from_pretrained("shapes-detic", vocabulary=["red star", "blue mug"])
    detections = detector("picture.jpg")
"""

from detic import data, modeling
from detic.predictor import Detector
from detic.shapes import backbone as shapes_backbone

__all__ = ["Detector", "data", "modeling", "shapes_backbone"]
