"""Detic: an open-vocabulary detector trained on boxes and on image labels.

Importing registers the model, its backbones and heads and the datasets with detectron2.

    from detic import Detector
    detector = Detector.from_pretrained("shapes-detic", vocabulary=["red star", "blue mug"])
    detections = detector("image.jpg")
"""

from detic import datasets, modeling
from detic.errors import InputError
from detic.predictor import Detector
from detic_commands import __version__

__all__ = ["Detector", "InputError", "__version__", "datasets", "modeling"]
