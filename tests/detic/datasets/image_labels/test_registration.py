"""Naming image-labelled data in programs and recipes."""

import itertools
import json

import pytest
import yaml

from detic.datasets import register_image_folder
from detic.datasets.image_labels.registration import (
    class_names_of,
    register_image_sources,
)
from detic.errors import InputError
from detic.vocabulary.model_classes import ModelClasses
from tests.detic.datasets.test_tar_files import write_tar
from tests.detic.recipe_loaders import train_loader


@pytest.fixture
def folder(write_image, tmp_path):
    """A folder with a class folder each for cats and dogs."""
    for i in range(4):
        write_image(f"animals/{('cat', 'dog')[i % 2]}/{i}.png", 30 + i, 32, seed=i)
    return tmp_path / "animals"


def entry(path, **changes):
    fields = {"name": "animals", "format": "folder", "path": str(path), "classes": "pets"}
    return fields | changes


def test_a_registered_folder_is_a_dataset(catalogs, folder):
    datasets, metadata = catalogs
    register_image_folder("animals", folder, ["cat", "dog"])
    assert [r["pos_category_ids"] for r in datasets.get("animals")] == [[0], [0], [1], [1]]
    assert metadata.get("animals").thing_classes == ["cat", "dog"]


def test_registering_opens_no_file(catalogs, tmp_path):
    register_image_folder("later", tmp_path / "not there yet", ["cat"])
    with pytest.raises(InputError, match="not there yet is no folder"):
        catalogs[0].get("later")


def test_a_name_can_be_used_once(catalogs, folder, pets):
    with pytest.raises(InputError, match="there is a dataset 'pets' already"):
        register_image_folder("pets", folder, ["cat", "dog"])


def test_a_recipe_names_sources_and_trains_on_them(joint_cfg, folder, tmp_path):
    recipe = {"DATALOADER": {"IMAGE_SOURCES": [entry(folder)]}}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe | {"DATASETS": {"TRAIN": ["pets", "animals,labels"]}}))
    joint_cfg.merge_from_file(str(path))
    joint_cfg = type(joint_cfg).load_cfg(joint_cfg.dump())
    batches = list(itertools.islice(train_loader(joint_cfg), 30))
    files = {e["file_name"] for batch in batches for e in batch if e["dataset_source"] == 1}
    assert any("animals" in name for name in files)
    assert any("labels" in name for name in files)
    train_loader(joint_cfg)  # the name may be registered from before


def test_every_format_can_be_named(catalogs, cfg, folder, write_image, tmp_path, pets):
    content = (folder / "cat" / "0.png").read_bytes()
    (tmp_path / "tars").mkdir()
    (tmp_path / "shards").mkdir()
    write_tar(tmp_path / "tars" / "n02.tar", [("a.png", content)])
    write_tar(tmp_path / "shards" / "0.tar", [("a.png", content), ("a.cls", b"1")])
    (tmp_path / "table.csv").write_text("path,labels\nanimals/cat/0.png,dog\n")
    (tmp_path / "map.json").write_text(json.dumps({"n02": "dog"}))
    cfg.DATALOADER.IMAGE_SOURCES = [
        entry(tmp_path / "tars", name="t", format="tars", class_map=str(tmp_path / "map.json")),
        entry(tmp_path / "shards", name="s", format="shards"),
        entry(tmp_path / "table.csv", name="c", format="csv"),
    ]
    register_image_sources(cfg.DATALOADER.IMAGE_SOURCES, ModelClasses.from_config(cfg))
    for name in "tsc":
        assert [r["pos_category_ids"] for r in catalogs[0].get(name)] == [[1]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("animals", "has 'animals'; expected mappings with"),
        (entry("x", format="zip"), "IMAGE_SOURCES: unknown format 'zip'; choose folder, tars"),
        (entry("x", colour="red"), "unknown field 'colour'; choose name, format, path"),
        ({"name": "a", "format": "folder"}, "give it a text for path"),
        (entry("x", classes=["cat"]), "'classes' must be a text"),
        (entry("x", classes="lviz"), "unknown classes 'lviz'; .*did you mean 'lvis'"),
        (entry("x", name="pets"), "there is another dataset 'pets'; choose another name"),
    ],
)
def test_an_unusable_entry_is_named(catalogs, cfg, pets, wrong, message):
    cfg.DATALOADER.IMAGE_SOURCES = [wrong]
    with pytest.raises(InputError, match=message):
        register_image_sources(cfg.DATALOADER.IMAGE_SOURCES, ModelClasses.from_config(cfg))


def test_classes_come_from_vocabularies_datasets_or_files(pets, tmp_path):
    assert len(class_names_of("lvis")) == 1203
    assert class_names_of("pets") == ["cat", "dog"]
    (tmp_path / "names.txt").write_text("fox\nhen\n")
    assert list(class_names_of(str(tmp_path / "names.txt"))) == ["fox", "hen"]


def test_class_lists_are_found_below_the_datasets_root_too(monkeypatch, tmp_path):
    (tmp_path / "names.txt").write_text("fox\nhen\n")
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    assert list(class_names_of("datasets/names.txt")) == ["fox", "hen"]
