"""Saving and loading of model weights."""

from detectron2.checkpoint.detection_checkpoint import DetectionCheckpointer
from fvcore.common.checkpoint import Checkpointer, PeriodicCheckpointer
