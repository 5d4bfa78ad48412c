"""Federated sampling of classes."""

from pathlib import Path

import torch

from tests.parity.arrays import Arrays, to_array
from tests.parity.models import frequency_file
from tests.parity.ours import load_class_frequencies, sample_federated_classes

NUM_CLASSES, NUM_SAMPLED = 60, 20
PRESENT = torch.tensor([60, 3, 3, 17, 60, 42])  # 60: background


def federated(folder: Path) -> Arrays:
    """Return class weights, and samples drawn with torch's generator."""
    path = frequency_file(folder, NUM_CLASSES)
    weights = load_class_frequencies(path, 0.5)
    arrays = {
        "freq/half": to_array(weights),
        "freq/one": to_array(load_class_frequencies(path, 1.0)),
        "inds/enough": sample_federated_classes(
            torch.arange(30), NUM_SAMPLED, NUM_CLASSES, weights
        ).numpy(),
    }
    for seed in range(4):
        for name, w in (("weighted", weights), ("uniform", None)):
            torch.manual_seed(seed)
            sample = sample_federated_classes(PRESENT, NUM_SAMPLED, NUM_CLASSES, w)
            arrays[f"inds/{name}_{seed}"] = sample.numpy()
    return arrays
