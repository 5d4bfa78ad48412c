"""Meta architectures: whole models, from images to detections or losses."""

from .build import META_ARCH_REGISTRY, build_model
from .rcnn import GeneralizedRCNN
