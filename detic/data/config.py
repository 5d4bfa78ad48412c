"""Configuration keys of the data loader that published recipes do not set."""

from detectron2.config import CfgNode as CN


def add_data_config(cfg: CN) -> None:
    """Add the data loader's keys to ``cfg`` in place."""
    node = cfg.DATALOADER
    # Image-labelled data of one's own, each a mapping with name, format (folder, tars, shards or
    # csv), path and maybe classes, class_map; see detic.data.image_labels.registration
    node.IMAGE_SOURCES = []
    # Data with boxes of one's own, each a mapping with name, format (coco or lvis), annotations,
    # images; or with name and a registered dataset; see detic.data.box_sources
    node.BOX_SOURCES = []
    # Share of unreadable images above which training stops; they are skipped and listed
    node.MAX_BAD_FRACTION = 0.01
    # How worker processes are started: fork, forkserver or spawn; "": as Python does by default
    node.START_METHOD = ""
    node.PREFETCH = 2  # batches that each worker prepares ahead
