"""Datasets registered with detectron2."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets.lvis import load_lvis_json

import detic.datasets.registration as registration
from detic.datasets.lvis_style import records_as_of_detectron2
from detic.datasets.table import DETIC_SPECS, SPECS
from detic.errors import InputError


@pytest.fixture
def register(tmp_path):
    """A function that registers a dataset like a known one, below a folder of its own."""
    names = []

    def register_like(name, **changes):
        spec = replace(SPECS[name], name=f"test_{name}", **changes)
        names.append(spec.name)
        registration.register_dataset(spec, tmp_path)
        return spec.name

    yield register_like
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def test_every_dataset_is_registered():
    for spec in DETIC_SPECS:
        assert spec.name in DatasetCatalog
        assert MetadataCatalog.get(spec.name).json_file.endswith(spec.annotation_file)


@pytest.mark.parametrize(
    ("name", "count", "first"),
    [
        ("lvis_v1_train+coco", 1203, "aerosol_can"),
        ("imagenet_lvis-22k", 22047, "aerosol_can"),
        ("coco_generalized_zeroshot_val", 80, "person"),
        ("coco_not_zeroshot_val", 48, "person"),
        ("coco_zeroshot_val", 17, "airplane"),
        ("objects365_v2_val", 365, "Person"),
        ("objects365_val", 365, "person"),
        ("oid_val_expanded", 500, "Infant bed"),
    ],
)
def test_class_names(name, count, first):
    names = MetadataCatalog.get(name).thing_classes
    assert (len(names), names[0]) == (count, first)


def test_lvis_classes_are_called_by_their_first_synonym_but_embedded_by_name():
    assert "horned_cow" in MetadataCatalog.get("lvis_v1_train_norare").thing_classes
    assert "bull" in MetadataCatalog.get("lvis_v1_train_22k").thing_classes


def test_lvis_counts_and_coco_ids_are_in_the_metadata():
    counts = MetadataCatalog.get("lvis_v1_train_norare").class_image_count
    assert counts[0] == {"id": 1, "image_count": 64}
    index = MetadataCatalog.get("coco_generalized_zeroshot_val").thing_dataset_id_to_contiguous_id
    assert (index[1], index[90]) == (0, 79)
    assert MetadataCatalog.get("coco_zeroshot_val").thing_dataset_id_to_contiguous_id[5] == 0


def test_classes_of_the_shapes_are_those_of_the_file(register, tmp_path):
    path = tmp_path / "shapes/annotations/val.json"
    path.parent.mkdir(parents=True)
    categories = [{"id": 2, "name": "red star"}, {"id": 1, "name": "blue key"}]
    path.write_text(json.dumps({"categories": categories, "images": []}))
    metadata = MetadataCatalog.get(register("shapes_val"))
    assert metadata.thing_classes == ["blue key", "red star"]
    assert metadata.thing_dataset_id_to_contiguous_id == {1: 0, 2: 1}


def test_a_dataset_whose_file_is_missing_says_how_to_make_it(register):
    name = register("lvis_v1_train_norare")
    with pytest.raises(InputError, match=r"lvis_v1_train_norare\.json not found.*detic data check"):
        DatasetCatalog.get(name)


def test_importing_opens_no_file_and_follows_the_environment(tmp_path):
    code = (
        "import builtins, pathlib\n"
        "import detic.datasets.class_lists, detic.datasets.table\n"
        "def refuse(path, *args, **kwargs): raise AssertionError(path)\n"
        "builtins.open = pathlib.Path.read_bytes = pathlib.Path.read_text = refuse\n"
        "import detic.datasets.registration\n"
        "from detectron2.data import MetadataCatalog\n"
        "print(MetadataCatalog.get('oid_train').image_root)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={"DETECTRON2_DATASETS": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert result.stdout == f"{tmp_path}/oid/images/\n", result.stderr


def test_lvis_of_detectron2_is_read_by_us_to_the_same_records(tmp_path, catalogs):
    image = {"height": 4, "width": 4, "neg_category_ids": [2], "not_exhaustive_category_ids": [1]}
    box = {"bbox": [0, 0.5, 2, 2], "segmentation": [[0, 0, 2.5, 0, 2.5, 2]]}
    content = {
        "images": [image | {"id": i, "coco_url": f"http://x/val2017/{i}.jpg"} for i in (3, 1)],
        "annotations": [{"id": i, "image_id": 3, "category_id": i, **box} for i in (1, 2)],
        "categories": [{"id": i, "name": f"c{i}", "synset": f"c{i}"} for i in (1, 2)],
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    expected = load_lvis_json(str(path), "ROOT")
    assert list(records_as_of_detectron2(str(path), "ROOT")) == expected
    datasets, _ = catalogs
    assert registration.is_of_detectron2(datasets["lvis_v1_train"])
    assert not registration.is_of_detectron2(lambda: [])
    content["images"][0]["file_name"] = "elsewhere.jpg"
    path.write_text(json.dumps(content))
    assert records_as_of_detectron2(str(path), "ROOT") is None
