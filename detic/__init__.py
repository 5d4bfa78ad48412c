"""Detic: an open-vocabulary detector trained on boxes and on image labels.

Importing registers the model, its backbones and heads and the datasets with detectron2.

    from detic import Detector
    detector = Detector.from_pretrained("shapes-detic", vocabulary=["red star", "blue mug"])
    detections = detector("image.jpg")
"""

from importlib import import_module

from detic_commands import __version__
from detic_commands.running import explanation

try:
    from detic.compiler_imports import compiler_put_off

    with compiler_put_off():
        import_module("torchvision")  # for detectron2 and timm, which import it

    from detic import datasets, modeling
    from detic.errors import InputError
    from detic.predictor import Detector
except ModuleNotFoundError as error:
    # Named so, it is all that `python -m detic.shapes.own_data` and its like show.
    raise ImportError(explanation(error) or str(error), name=__name__) from error

__all__ = ["Detector", "InputError", "__version__", "datasets", "modeling"]
