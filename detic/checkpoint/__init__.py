"""Weights of every origin into the detector, and its checkpoints into mmdetection's names."""

from detic.checkpoint.load import Purpose, load_weights
from detic.checkpoint.load_report import LoadReport
from detic.weight_files import read_weights

__all__ = ["LoadReport", "Purpose", "load_weights", "read_weights"]
