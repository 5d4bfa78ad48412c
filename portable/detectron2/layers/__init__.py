"""Building blocks of networks, and the box and mask operations that they need."""

from detectron2.layers.batch_norm import (
    CycleBatchNormList,
    FrozenBatchNorm2d,
    NaiveSyncBatchNorm,
    get_norm,
)
from detectron2.layers.blocks import CNNBlockBase, DepthwiseSeparableConv2d
from detectron2.layers.mask_ops import paste_masks_in_image
from detectron2.layers.nms import batched_nms
from detectron2.layers.roi_align import ROIAlign
from detectron2.layers.shape_spec import ShapeSpec
from detectron2.layers.wrappers import (
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Linear,
    cat,
    cross_entropy,
    empty_input_loss_func_wrapper,
    interpolate,
    move_device_like,
    nonzero_tuple,
    shapes_to_tensor,
)
from torchvision.ops import complete_box_iou_loss as ciou_loss
from torchvision.ops import distance_box_iou_loss as diou_loss
