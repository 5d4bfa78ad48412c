"""Regions remembered on disk."""

import logging

import numpy as np
import torch
from torch import nn

from detic.modeling.regions import RegionFeatures
from detic.tuning.region_cache import RegionCache, fingerprint_of, rounded

IMAGE = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)


def some_regions():
    torch.manual_seed(0)
    return RegionFeatures(torch.randn(2, 3, 4), 100 * torch.rand(3, 4), torch.rand(3))


def test_what_is_read_equals_what_was_computed(tmp_path):
    cache = RegionCache(tmp_path, "a")
    path = cache.path(IMAGE)
    assert cache.load(path) is None
    cache.store(path, some_regions())
    for read, computed in zip(cache.load(path), rounded(some_regions()), strict=True):
        assert read.equal(computed)


def test_another_image_has_another_file(tmp_path):
    cache = RegionCache(tmp_path, "a")
    assert cache.path(IMAGE) == cache.path(IMAGE.copy())
    assert cache.path(IMAGE) != cache.path(IMAGE[::-1])
    assert cache.path(IMAGE) != RegionCache(tmp_path, "b").path(IMAGE)


def test_regions_of_another_detector_and_damaged_ones_are_refused(tmp_path, caplog):
    mine, other = RegionCache(tmp_path, "a"), RegionCache(tmp_path, "b")
    path = mine.path(IMAGE)
    other.store(path, some_regions())
    with caplog.at_level(logging.WARNING):
        assert mine.load(path) is None
        path.write_bytes(b"no regions")
        assert mine.load(path) is None
    assert [record.message.count("computed anew") for record in caplog.records] == [1, 1]


def test_the_fingerprint_is_of_weights_that_regions_depend_on():
    model = nn.ModuleDict({"trunk": nn.Linear(2, 2), "mask_head": nn.Linear(2, 2)})
    model.register_buffer("zs_weight", torch.zeros(2))
    before = fingerprint_of(model, "640 pixels")
    with torch.no_grad():
        model.zs_weight += 1
        model["mask_head"].weight += 1
    assert fingerprint_of(model, "640 pixels") == before != fingerprint_of(model, "800 pixels")
    with torch.no_grad():
        model["trunk"].weight[0, 0] += 1
    assert fingerprint_of(model, "640 pixels") != before
