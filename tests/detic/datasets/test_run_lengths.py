"""The counts of run-length masks."""

import numpy as np
import pytest
from pycocotools import mask as mask_util

from detic.datasets.run_lengths import are_sound, run_lengths


def encoded(pixels):
    return mask_util.encode(np.asfortranarray(pixels, dtype=np.uint8))["counts"].decode()


def test_compressed_counts_are_those_of_the_coco_api():
    pixels = np.random.RandomState(0).rand(40, 300) < 0.1
    pixels[:, 50:200] = False  # a run of thousands, so that numbers take several characters
    lengths = run_lengths(encoded(pixels))
    restored = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(300, 40).T
    np.testing.assert_array_equal(restored, pixels)


def test_sound_masks_of_all_sizes_are_known_at_once():
    random = np.random.RandomState(0)
    sizes = [tuple(random.randint(1, 90, 2).tolist()) for _ in range(200)]
    texts = [encoded(random.rand(*size) < random.rand()) for size in sizes]
    masks = [{"size": list(s), "counts": t} for s, t in zip(sizes, texts, strict=True)]
    assert are_sound(masks, sizes)
    for position in (0, 100, 199):
        one_wrong = list(masks)
        one_wrong[position] = masks[position] | {"counts": texts[position] + "1"}
        assert not are_sound(one_wrong, sizes)


@pytest.mark.parametrize(
    "text", ["04\\", "04X1", "", "zzzz~~~", "0PO1", "é4\\1", "04\\1111", "o" * 50 + "1"]
)
def test_damaged_masks_are_noticed_among_others(text):
    masks = [{"size": [6, 8], "counts": counts} for counts in ("04\\1", text, "04\\1")]
    assert not are_sound(masks, [(6, 8)] * 3)
