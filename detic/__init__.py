"""Detic: an open-vocabulary detector trained on boxes and on image labels.

Importing registers the model, its backbones and heads and the datasets with detectron2.

    from detic import Detector
    detector = Detector.from_pretrained("shapes-detic", vocabulary=["red star", "blue mug"])
    detections = detector("image.jpg")
"""

import sys
from itertools import pairwise

from detic_commands import __version__
from detic_commands.running import explanation

__all__ = ["Detector", "InputError", "__version__", "datasets", "modeling"]


def _is_looked_into() -> bool:
    """Return whether Python looks for ``detic.__main__``, whose help needs nothing of all this."""
    return sys.argv[:1] == ["-m"] and ("-m", __name__) in pairwise(sys.orig_argv)


if not _is_looked_into():
    try:
        from detic.compiler_imports import compiler_put_off

        with compiler_put_off():
            import torchvision  # noqa: F401  for detectron2 and timm, which import it

        from detic import datasets, modeling
        from detic.errors import InputError
        from detic.predictor import Detector
    except ModuleNotFoundError as error:
        # Named so, it is all that `python -m detic.shapes.own_data` and its like show.
        raise ImportError(explanation(error) or str(error), name=__name__) from error
