"""Building blocks of networks, and the box and mask operations that they need."""

from detectron2.layers.batch_norm import FrozenBatchNorm2d, NaiveSyncBatchNorm, get_norm
from detectron2.layers.blocks import CNNBlockBase
from detectron2.layers.mask_ops import paste_masks_in_image
from detectron2.layers.nms import batched_nms
from detectron2.layers.roi_align import ROIAlign, roi_align
from detectron2.layers.shape_spec import ShapeSpec
from detectron2.layers.wrappers import (
    Conv2d,
    ConvTranspose2d,
    Linear,
    cat,
    cross_entropy,
    nonzero_tuple,
)
