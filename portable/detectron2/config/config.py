"""`CfgNode`, the configuration tree, and its defaults."""

from detectron2.config.defaults import DEFAULTS
from detectron2.utils.file_io import PathManager
from fvcore.common.config import CfgNode as _FvcoreCfgNode


class CfgNode(_FvcoreCfgNode):
    """A tree of options with attribute access, type-checked merging and `_BASE_` inheritance.

    `merge_from_file`, `merge_from_list`, `dump`, `clone`, `freeze` and the rest come from fvcore
    and yacs. A file may be any address that `PathManager` opens.
    """

    @classmethod
    def _open_cfg(cls, filename):
        return PathManager.open(filename, "r")


def get_cfg() -> CfgNode:
    """Return a fresh, unfrozen copy of the default configuration."""
    return CfgNode(DEFAULTS)
