"""From sources to batches: sampling, batching, worker processes, augmentation."""

from detic.loading.build import build_test_loader, build_train_loader
from detic.loading.loader import TrainLoader, merge_loader_states

__all__ = ["TrainLoader", "build_test_loader", "build_train_loader", "merge_loader_states"]
