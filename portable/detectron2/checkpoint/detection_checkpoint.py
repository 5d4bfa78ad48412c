"""`DetectionCheckpointer`: checkpoints of detectors and of pretrained backbones."""

import os
import pickle
from typing import Any

import torch
from detectron2.checkpoint.c2_model_loading import align_and_update_state_dicts
from detectron2.checkpoint.restricted_pickle import load_restricted_pickle
from detectron2.utils import comm
from detectron2.utils.file_io import PathManager
from fvcore.common.checkpoint import Checkpointer
from torch import nn

# Constants that older versions stored. Their values follow from the configuration.
_CONSTANT_BUFFERS = ("pixel_mean", "pixel_std", "anchor_generator.cell_anchors")


class DetectionCheckpointer(Checkpointer):
    """Loads .pth and .pkl files, and saves .pth files that are complete or not there at all.

    A .pth file holds {"model": state dict, ...} or just a state dict. A .pkl file holds the same
    with tensors or numpy arrays, or {"blobs": ...} with the names of a Caffe2 ResNet. If it also
    holds {"matching_heuristics": True}, the names may lack the beginning of those in the model.
    No file can run code.
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
            save_dir: where checkpoints are saved and looked for.
            save_to_disk: None saves in the main process only.
            checkpointables: further objects with `state_dict` and `load_state_dict`.
        """
        if save_to_disk is None:
            save_to_disk = comm.is_main_process()
        super().__init__(model, save_dir, save_to_disk=save_to_disk, **checkpointables)
        self.path_manager = PathManager

    def save(self, name: str, **kwargs: Any) -> None:
        """Writes the model, the checkpointables and `kwargs` to `<save_dir>/<name>.pth`."""
        if not self.save_dir or not self.save_to_disk:
            return
        content = {"model": self.model.state_dict()}
        content |= {key: value.state_dict() for key, value in self.checkpointables.items()}
        path = os.path.join(self.save_dir, f"{name}.pth")
        self.logger.info("Saving checkpoint to %s", path)
        self.path_manager.mkdirs(self.save_dir)
        torch.save({**content, **kwargs}, path + ".tmp")
        os.replace(path + ".tmp", path)
        self.tag_last_checkpoint(os.path.basename(path))

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Writes the name of the newest checkpoint to the file `last_checkpoint`."""
        path = os.path.join(self.save_dir, "last_checkpoint")
        with open(path + ".tmp", "w") as f:
            f.write(last_filename_basename)
        os.replace(path + ".tmp", path)

    def resume_or_load(self, path: str, *, resume: bool = True) -> dict[str, Any]:
        """Loads the newest checkpoint in `save_dir` if there is one and `resume`, else `path`.

        Returns:
            What the checkpoint holds besides the model and the loaded checkpointables. From `path`
            only the model is loaded.

        Raises:
            RuntimeError: some processes of the job see a newest checkpoint and others do not.
        """
        if resume and len(set(comm.all_gather(self.has_checkpoint()))) > 1:
            raise RuntimeError(
                f"only some processes find a checkpoint in '{self.save_dir}'; "
                "all machines must see the same output folder to resume"
            )
        return super().resume_or_load(path, resume=resume)

    def load(self, path: str, checkpointables: list[str] | None = None) -> dict[str, Any]:
        """Loads a file.

        Args:
            path: a local path or an address; "" loads nothing.
            checkpointables: names of those to load; None loads all that the file has.

        Returns:
            What the file holds besides the model and the loaded checkpointables.

        Raises:
            FileNotFoundError: there is no such file.
            pickle.UnpicklingError: the file holds something that might run code.
        """
        if path:
            path = self.path_manager.get_local_path(path)
            if not os.path.isfile(path):
                raise FileNotFoundError(
                    f"checkpoint '{path}' does not exist; give the path of a .pth or .pkl file, "
                    "or '' to start from random weights"
                )
        return super().load(path, checkpointables)

    def _load_file(self, f: str) -> dict[str, Any]:
        """Returns the content of a local file, with the weights under "model"."""
        content = load_restricted_pickle(f) if f.endswith(".pkl") else _load_torch_file(f)
        if "model" in content:
            return content
        blobs = content.get("blobs", content)
        if not f.endswith(".pkl"):
            return {"model": blobs}
        weights = {k: v for k, v in blobs.items() if not k.endswith("_momentum")}
        return {"model": weights, "__author__": "Caffe2", "matching_heuristics": True}

    def _load_model(self, checkpoint: dict[str, Any]):
        if checkpoint.pop("matching_heuristics", False):
            self._convert_ndarray_to_tensor(checkpoint["model"])
            checkpoint["model"] = align_and_update_state_dicts(
                self.model.state_dict(),
                checkpoint["model"],
                c2_conversion=checkpoint.get("__author__") == "Caffe2",
            )
        incompatible = super()._load_model(checkpoint)
        for names in (incompatible.missing_keys, incompatible.unexpected_keys):
            names[:] = [n for n in names if not any(part in n for part in _CONSTANT_BUFFERS)]
        return incompatible


def _load_torch_file(path: str) -> dict[str, Any]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        culprit = next((line for line in str(error).splitlines() if "GLOBAL" in line), "")
        raise pickle.UnpicklingError(
            f"'{path}' is not a file of plain weights, and loading it might run code; convert it, "
            f"in an environment that trusts it, to a state dict of tensors. {culprit.strip()}"
        ) from error
