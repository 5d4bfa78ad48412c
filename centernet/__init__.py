"""CenterNet2's proposal network. Importing registers it with detectron2."""

from centernet import fpn, proposal_generator

__all__ = ["fpn", "proposal_generator"]
