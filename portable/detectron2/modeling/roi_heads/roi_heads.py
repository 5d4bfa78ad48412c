"""Region heads with a single box stage, by name."""

from .base import (
    ROI_HEADS_REGISTRY,
    ROIHeads,
    build_roi_heads,
    select_foreground_proposals,
)
from .res5 import Res5ROIHeads
from .standard import StandardROIHeads
