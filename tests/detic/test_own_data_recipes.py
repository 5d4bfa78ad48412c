"""The recipes for data of one's own are complete."""

from pathlib import Path

import pytest

from detic.datasets.box_sources import read_entry
from detic.loading.train_source import TrainSources
from detic.recipes import load_recipe

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
RECIPES = (
    *("shapes/OwnData", "shapes/OwnData-no-replay", "own_data/Detic_LI_CLIP_R5021k"),
    *("shapes/OwnLabels", "shapes/OwnLabels-alone"),
)


@pytest.mark.parametrize("name", RECIPES)
def test_every_dataset_is_named_with_its_annotation(name):
    cfg = load_recipe(CONFIGS / f"{name}.yaml")
    boxes = {source.name for source in map(read_entry, cfg.DATALOADER.BOX_SOURCES)}
    images = {entry["name"] for entry in cfg.DATALOADER.IMAGE_SOURCES}
    sources = TrainSources.from_config(cfg, world_size=1).entries
    assert {source.name for source in sources} <= boxes | images
    assert all(source.kind.has_image_labels for source in sources if source.name in images)
    assert set(cfg.DATASETS.TEST) <= boxes


@pytest.mark.parametrize("name", RECIPES)
def test_all_sources_are_drawn_in_as_many_batches(name):
    sources = TrainSources.from_config(load_recipe(CONFIGS / f"{name}.yaml"), 1).entries
    assert len({source.ratio / source.batch_size for source in sources}) == 1
