"""Box heads that start near the tiny CLIP."""

import torch

from detic.shapes.clip_heads import make_clip_heads
from detic.shapes.tiny_clip import Recipe
from detic.weight_files import read_weights


def test_backbone_and_box_heads_are_taught_and_nothing_else_is_written(tmp_path):
    recipe = Recipe(train_scenes=2, iterations=1, batch_size=4)
    make_clip_heads(tmp_path / "heads.pth", seed=0, recipe=recipe)
    tensors = read_weights(tmp_path / "heads.pth")
    assert tensors["roi_heads.box_predictor.2.cls_score.linear.weight"].shape == (64, 128)
    assert {name.split(".")[0] for name in tensors} == {"backbone", "roi_heads"}
    assert not any("mask" in name or "bbox_pred" in name for name in tensors)
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
