"""A world small enough to draw in a second."""

import pytest
import torch

from detic.shapes.world import generate_world

SIZES = {"train_images": 12, "val_images": 4, "labels_per_class": 1}
NOUNS = ("star", "ring", "fish")


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """Networks this small only lose time to threads, more so on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_world_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("datasets")
    generate_world(root, seed=3, **SIZES, nouns=NOUNS, progress=False)
    return root
