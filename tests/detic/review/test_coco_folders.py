import json
import tarfile

import numpy as np
import pytest
from hotcoco import COCO

from detic.errors import InputError
from tests.detic.labelling.conftest import label
from tests.quick_labeller import found_in

CVAT_FILE = "annotations/instances_default.json"


def test_cvat_gets_polygons_of_each_mask_and_the_labels_of_a_task(job, photos, merged):
    folder = merged(job, "cvat", "review")
    dataset = COCO(str(folder / CVAT_FILE))
    assert [image["file_name"] for image in dataset.dataset["images"]] == photos
    for row in dataset.dataset["annotations"]:
        assert row["iscrowd"] == 0
        assert isinstance(row["segmentation"], list)
        shift = row["category_id"] - 1
        np.testing.assert_array_equal(dataset.annToMask(row), np.eye(48, 64, k=shift))
    labels = json.loads((folder / "labels.json").read_text())
    assert [entry["name"] for entry in labels] == ["cup", "mug", "jug"]


def test_fiftyone_gets_run_lengths_and_scores(job, photos, merged):
    folder = merged(job, "fiftyone", "review", "--copy-images")
    dataset = COCO(str(folder / "labels.json"))
    scores = [row["score"] for row in dataset.dataset["annotations"]]
    assert scores == [float(f"{s:.6g}") for name in photos for s in found_in(name).scores]
    assert all("counts" in row["segmentation"] for row in dataset.dataset["annotations"])
    names = {image["file_name"] for image in dataset.dataset["images"]}
    assert names == {path.name for path in (folder / "data").iterdir()}


@pytest.fixture
def packed(plan, photos, tmp_path):
    """A job on the photos in a tar file."""
    with tarfile.open(tmp_path / "photos.tar", "w") as tar:
        for name in photos:
            tar.add(tmp_path / name, name)
    job = plan("photos.tar", folder="packed")
    label(job)
    return job


def test_images_in_tar_files_are_copied_for_tools(packed, photos, merged, tmp_path):
    with pytest.raises(InputError, match=r"photos\.tar/photos/1\.png is no file .*--copy-images"):
        merged(packed, "cvat", "review")
    folder = merged(packed, "cvat", "review", "--copy-images", "--review", "3")
    images = json.loads((folder / CVAT_FILE).read_text())["images"]
    assert len(images) == 3
    for image in images:
        copy = folder / "images" / "default" / image["file_name"]
        assert copy.name.startswith(f"{image['id']:08d}_")
        assert copy.read_bytes() == (tmp_path / photos[image["id"] - 1]).read_bytes()


def test_an_image_that_is_gone_cannot_be_copied(job, merged, tmp_path):
    (tmp_path / "photos" / "1.png").unlink()
    with pytest.raises(InputError, match=r"there is no file photos/1\.png"):
        merged(job, "fiftyone", "review", "--copy-images")
    assert not (tmp_path / "review").exists()


def test_datumaro_reads_what_cvat_reads_by_it(job, merged):
    components = pytest.importorskip("datumaro.components.dataset")
    folder = merged(job, "cvat", "review", "--copy-images")
    rows = json.loads((folder / CVAT_FILE).read_text())["annotations"]
    dataset = components.Dataset.import_from(str(folder), "coco")
    found = [a for item in dataset for a in item.annotations if type(a).__name__ == "Polygon"]
    assert len(found) == sum(len(row["segmentation"]) for row in rows)
    assert {a.attributes["score"] for a in found} == {row["score"] for row in rows}
    assert all(item.media.data.shape == (48, 64, 3) for item in dataset)
