"""The memory of image regions on disk: a file for each image, a folder for each detector.

Numbers are kept in half precision, so what is computed is rounded like what is read.
"""

import hashlib
import logging
from pathlib import Path

import numpy as np
import torch
from torch import nn

from detic.errors import InputError
from detic.files import write_bytes
from detic.modeling.regions import RegionFeatures

FORMAT = "image regions 1"
# Of no influence on regions: the classes that a detector knows, and its masks
_OTHER_WEIGHTS = ("zs_weight", "freq_weight", "mask_head")

logger = logging.getLogger(__name__)


class RegionCache:
    """Regions by image, of one detector.

    Args:
        folder: where the folders of all detectors are; made when something is stored.
        detector: what tells its regions from those of others, see ``fingerprint_of``.
    """

    def __init__(self, folder: Path, detector: str):
        self.folder = folder / detector
        self.detector = detector

    def path(self, image_bgr: np.ndarray) -> Path:
        """Return the file of an image (H, W, 3) uint8, which its pixels decide."""
        digest = hashlib.sha256(f"{image_bgr.shape}".encode())
        digest.update(np.ascontiguousarray(image_bgr).data)
        return self.folder / f"{digest.hexdigest()[:32]}.safetensors"

    def load(self, path: Path) -> RegionFeatures | None:
        """Return the regions in a file; None if there is none, or it is damaged or of another detector."""
        from safetensors import SafetensorError, safe_open

        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                origin = file.metadata() or {}
                if origin != self._origin:
                    raise ValueError("it is of another detector")
                tensors = {name: file.get_tensor(name).float() for name in RegionFeatures._fields}
        except (OSError, ValueError, SafetensorError) as error:
            logger.warning("%s is computed anew: %s", path, error)
            return None
        return RegionFeatures(**tensors)

    def store(self, path: Path, regions: RegionFeatures) -> None:
        """Write the regions of an image; a folder that cannot be written is left alone."""
        from safetensors.torch import save

        tensors = {name: t.half().contiguous() for name, t in regions._asdict().items()}
        tensors["boxes_xyxy"] = regions.boxes_xyxy.contiguous()
        try:
            write_bytes(path, save(tensors, self._origin))
        except (OSError, InputError) as error:
            logger.warning("regions are not remembered: %s", error)

    @property
    def _origin(self) -> dict[str, str]:
        return {"format": FORMAT, "detector": self.detector}


def rounded(regions: RegionFeatures) -> RegionFeatures:
    """Return regions on the CPU as the cache gives them back."""
    on_cpu = RegionFeatures(*(tensor.detach().cpu().float() for tensor in regions))
    return on_cpu._replace(
        embeddings=on_cpu.embeddings.half().float(), scores=on_cpu.scores.half().float()
    )


def fingerprint_of(model: nn.Module, options: str) -> str:
    """Return what tells a detector's regions from those of others.

    Args:
        model: whose weights decide.
        options: how images are prepared and what else decides.
    """
    digest = hashlib.sha256(options.encode())
    for name, tensor in sorted(model.state_dict().items()):
        if not any(part in name for part in _OTHER_WEIGHTS):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            flat = tensor.detach().cpu().contiguous().flatten()
            digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
