"""Detic: an open-vocabulary detector trained on boxes and on image labels.

Importing registers the model, its backbones and heads with detectron2.
"""

from detic import modeling
from detic.shapes import backbone as shapes_backbone

__all__ = ["modeling", "shapes_backbone"]
