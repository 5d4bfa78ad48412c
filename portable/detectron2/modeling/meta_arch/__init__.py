"""Meta architectures: whole models, from images to detections or losses."""

from .build import META_ARCH_REGISTRY, build_model
from .rcnn import GeneralizedRCNN
from .semantic_seg import SEM_SEG_HEADS_REGISTRY, build_sem_seg_head
