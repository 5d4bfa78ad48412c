"""Files of weights, of any container: tensors by name come out, and no file can run code."""

from detic.weight_files.reader import read_weights, weights_sha256, write_checkpoint

__all__ = ["read_weights", "weights_sha256", "write_checkpoint"]
