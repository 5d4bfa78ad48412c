"""`CfgNode`, the configuration tree, and the process-wide copy of it."""

from detectron2.config.defaults import CONFIG_VERSION, DEFAULTS
from detectron2.utils.file_io import PathManager
from fvcore.common.config import CfgNode as _FvcoreCfgNode


class CfgNode(_FvcoreCfgNode):
    """A tree of options with attribute access, type-checked merging and `_BASE_` inheritance.

    `merge_from_list`, `dump`, `clone`, `freeze` and the rest come from fvcore and yacs.
    """

    @classmethod
    def _open_cfg(cls, filename):
        return PathManager.open(filename, "r")

    def merge_from_file(self, cfg_filename: str, allow_unsafe: bool = False) -> None:
        """Override options with those of a YAML file and of the files it names in `_BASE_`.

        Args:
            cfg_filename: local path or any address that `PathManager` opens.
            allow_unsafe: accept YAML tags that run Python code. Only for files you trust.

        Raises:
            FileNotFoundError: the file does not exist.
            KeyError: the file sets an option that this tree does not have.
            ValueError: an option has another type than its default, or the file is written for
                another version of the option names.
        """
        if not PathManager.isfile(cfg_filename):
            raise FileNotFoundError(
                f"config file '{cfg_filename}' does not exist; relative paths start at the "
                "current directory"
            )
        loaded = type(self)(self.load_yaml_with_base(cfg_filename, allow_unsafe=allow_unsafe))
        version = loaded.get("VERSION", CONFIG_VERSION)
        if version != CONFIG_VERSION:
            raise ValueError(
                f"config file '{cfg_filename}' has VERSION {version}, only version "
                f"{CONFIG_VERSION} can be read; rename its options to those of version "
                f"{CONFIG_VERSION} (see detectron2/config/defaults.py)"
            )
        self.merge_from_other_cfg(loaded)


global_cfg = CfgNode()


def get_cfg() -> CfgNode:
    """Returns a fresh, unfrozen copy of the default configuration."""
    return CfgNode(DEFAULTS)


def set_global_cfg(cfg: CfgNode) -> None:
    """Makes `global_cfg`, which everyone may have imported already, hold the options of `cfg`."""
    global_cfg.clear()
    global_cfg.update(cfg)
