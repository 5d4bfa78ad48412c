"""`DetectionCheckpointer`: checkpoints of detectors and of pretrained backbones."""

import os
from typing import Any

import torch
from detectron2.checkpoint._matching import match_by_suffix
from detectron2.checkpoint._restricted_pickle import load_restricted_pickle
from detectron2.utils import comm
from detectron2.utils.file_io import PathManager
from fvcore.common.checkpoint import Checkpointer
from torch import nn

# Constants that older versions stored. Their values follow from the configuration.
_CONSTANT_BUFFERS = ("pixel_mean", "pixel_std", "anchor_generator.cell_anchors")


class DetectionCheckpointer(Checkpointer):
    """Loads .pth and .pkl files, and saves .pth files that are complete or not there at all.

    A .pth file holds {"model": state dict, ...} or just a state dict, a .pkl file the same with
    tensors or numpy arrays. With {"matching_heuristics": True}, the names may lack the beginning
    of those in the model. No file can run code.
    """

    def __init__(
        self,
        model: nn.Module,
        save_dir: str = "",
        *,
        save_to_disk: bool | None = None,
        **checkpointables: Any,
    ):
        """
        Args:
            model: may be wrapped for data-parallel training.
            save_to_disk: None saves in the main process only.
            checkpointables: further objects with `state_dict` and `load_state_dict`.
        """
        if save_to_disk is None:
            save_to_disk = comm.is_main_process()
        super().__init__(model, save_dir, save_to_disk=save_to_disk, **checkpointables)
        self.path_manager = PathManager

    def save(self, name: str, **kwargs: Any) -> None:
        """Write the model, the checkpointables and `kwargs` to `<save_dir>/<name>.pth`."""
        if not self.save_dir or not self.save_to_disk:
            return
        content = {"model": self.model.state_dict()}
        content |= {key: value.state_dict() for key, value in self.checkpointables.items()}
        path = os.path.join(self.save_dir, f"{name}.pth")
        self.path_manager.mkdirs(self.save_dir)
        torch.save({**content, **kwargs}, path + ".tmp")
        os.replace(path + ".tmp", path)
        self.tag_last_checkpoint(os.path.basename(path))
        self.logger.info("saved %s", path)

    def _load_file(self, f: str) -> dict[str, Any]:
        """Return the content of a local file, with the weights under "model"."""
        if f.endswith(".pkl"):
            content = load_restricted_pickle(f)
        else:
            content = torch.load(f, map_location="cpu", weights_only=True)
        return content if "model" in content else {"model": content}

    def _load_model(self, checkpoint: dict[str, Any]):
        if checkpoint.pop("matching_heuristics", False):
            checkpoint["model"] = match_by_suffix(self.model.state_dict(), checkpoint["model"])
        incompatible = super()._load_model(checkpoint)
        for names in (incompatible.missing_keys, incompatible.unexpected_keys):
            names[:] = [n for n in names if not any(part in n for part in _CONSTANT_BUFFERS)]
        return incompatible
