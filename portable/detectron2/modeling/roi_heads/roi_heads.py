"""Region heads with a single box stage, by name."""

from ._base import (
    ROI_HEADS_REGISTRY,
    ROIHeads,
    build_roi_heads,
    select_foreground_proposals,
)
from ._res5 import Res5ROIHeads
from ._standard import StandardROIHeads
