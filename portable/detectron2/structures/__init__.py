"""Boxes, masks, image batches and the table of all that is known about the objects of an image."""

from detectron2.structures.boxes import (
    Boxes,
    BoxMode,
    pairwise_intersection,
    pairwise_ioa,
    pairwise_iou,
)
from detectron2.structures.image_list import ImageList
from detectron2.structures.instances import Instances
from detectron2.structures.masks import BitMasks, PolygonMasks, polygons_to_bitmask
