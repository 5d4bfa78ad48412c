"""Boxes, masks, image batches and the table of all that is known about the objects of an image."""

from detectron2.structures.boxes import (
    Boxes,
    BoxMode,
    pairwise_ioa,
    pairwise_iou,
    pairwise_point_box_distance,
)
from detectron2.structures.image_list import ImageList
from detectron2.structures.instances import Instances
from detectron2.structures.masks import BitMasks, PolygonMasks, ROIMasks, polygons_to_bitmask
