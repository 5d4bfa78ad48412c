"""Loaders of a recipe, as a run builds them."""

from detic.datasets.own_data import OwnData
from detic.loading.build import TestData, TrainData, build_test_loader, build_train_loader


def train_loader(cfg, rank=0, world_size=1, accumulate=1, seed=None):
    """Return the loader of one process that accumulates so many batches."""
    OwnData.from_config(cfg).register()
    world_size *= accumulate
    return build_train_loader(
        TrainData.from_config(cfg, world_size),
        ranks=range(rank * accumulate, (rank + 1) * accumulate),
        world_size=world_size,
        seed=cfg.SEED if seed is None else seed,
    )


def loader_of_test_set(cfg, name, **options):
    """Return the loader of a test set."""
    return build_test_loader(TestData.from_config(cfg), name, **options)
