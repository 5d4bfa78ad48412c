import json
import tarfile
from pathlib import Path

import pytest

from detic.errors import InputError
from detic.labelling.job import open_job
from detic.labelling.merge import FOLDERS, MERGES, REVIEWS
from detic.labelling.status import failed_images, read_status
from detic_commands.label.merge import FORMATS
from tests.detic.labelling.conftest import label
from tests.quick_labeller import found_in


def test_lines_are_those_of_single_detections(plan, names, merged):
    job = plan("names.txt")
    label(job)
    lines = merged(job, "jsonl", "all.jsonl").read_text().splitlines()
    good = [(i, name) for i, name in enumerate(names, start=1) if "broken" not in name]
    assert len(lines) == len(good)
    for line, (image_id, name) in zip(lines, good, strict=True):
        alone = json.loads(found_in(name).to_json(image_id))
        assert json.loads(line) == alone | {"file_name": name}


@pytest.mark.parametrize("format", ["jsonl", "coco", "lvis"])
def test_the_order_of_work_changes_no_byte(plan, names, merged, format):
    one, other = plan("names.txt"), plan("names.txt", folder="other")
    label(one, [0, 1, 2])
    label(other, [2, 0, 1, 2])
    assert merged(one, format, "a").read_bytes() == merged(other, format, "b").read_bytes()


def test_coco_files_are_datasets(plan, names, merged):
    from hotcoco import COCO

    job = plan("names.txt")
    label(job)
    dataset = COCO(str(merged(job, "coco", "all.json")))
    counts = {name: len(found_in(name)) for name in names if "broken" not in name}
    assert {image["file_name"] for image in dataset.dataset["images"]} == set(counts)
    for image in dataset.dataset["images"]:
        objects = dataset.loadAnns(dataset.getAnnIds(imgIds=[image["id"]]))
        assert len(objects) == counts[image["file_name"]]
        for found in objects:
            assert dataset.annToMask(found).sum() == found["area"] == 48
            assert found["bbox"][2:] == [10.5, 5.25]


def test_jobs_that_are_not_complete_are_refused(plan, names, merged):
    job = plan("names.txt")
    label(job, [0, 2])
    with pytest.raises(InputError, match=r"2 of 3 shards are done"):
        merged(job, "jsonl", "all.jsonl")
    lines = merged(job, "jsonl", "some.jsonl", "--partial").read_text().splitlines()
    assert [json.loads(line)["image_id"] for line in lines] == [1, 2, 3, 10]


def test_parts_that_are_damaged_are_named(plan, names, merged):
    job = plan("names.txt")
    label(job)
    content = job.part_path(1).read_bytes()
    job.part_path(1).write_bytes(b"\xff" + content[1:])
    with pytest.raises(InputError, match=r"part-00001\.jsonl is damaged .*; remove it, and `detic"):
        merged(job, "coco", "all.json")
    assert not Path("all.json").exists()


def test_ids_that_can_change_are_said(plan, names, merged, write_image, tmp_path, caplog):
    with tarfile.open(tmp_path / "some.tar", "w") as tar:
        tar.add(write_image("a.png"), "a.png")
    job = plan("some.tar", "names.txt")
    label(job, [1])
    (first, *_) = merged(job, "jsonl", "a", "--partial").read_text().splitlines()
    assert json.loads(first)["image_id"] == 1
    assert "image ids can change when the job goes on" in caplog.text
    label(job)
    (_, second, *_) = merged(job, "jsonl", "b").read_text().splitlines()
    assert json.loads(second) == json.loads(first) | {"image_id": 2}


def test_webdatasets_hold_images_beside_labels(plan, merged, write_image, monkeypatch):
    write_image("photos/a.png"), write_image("photos/broken.png"), write_image("photos/c.png")
    job = plan("photos", size=2)
    label(job)
    monkeypatch.chdir("photos")  # the job knows where it was planned
    folder = merged(job, "webdataset", "out")
    with tarfile.open(folder / "part-00001.tar") as tar:
        assert tar.getnames() == ["00001-0001.png", "00001-0001.json"]
        labels = json.load(tar.extractfile("00001-0001.json"))
        assert labels["file_name"] == "photos/c.png"
        assert labels["image_id"] == 3
        image = tar.extractfile("00001-0001.png").read()
    assert image == (job.folder.parent / "photos" / "c.png").read_bytes()


def test_webdatasets_of_images_that_are_gone_are_refused(plan, merged, write_image, tmp_path):
    with tarfile.open(tmp_path / "some.tar", "w") as tar:
        for name in ("a.png", "b.png"):
            tar.add(write_image(name), name)
    job = plan("some.tar")
    label(job)
    whole = (tmp_path / "some.tar").read_bytes()
    (tmp_path / "some.tar").write_bytes(b"\0" * len(whole))
    with pytest.raises(InputError, match=r"some\.tar/a\.png is not where it was"):
        merged(job, "webdataset", "out")
    assert not (tmp_path / "out").exists()


def test_parquet_files_have_a_row_an_image(plan, names, merged):
    parquet = pytest.importorskip("pyarrow.parquet")
    job = plan("names.txt")
    label(job)
    rows = parquet.read_table(merged(job, "parquet", "all.parquet")).to_pylist()
    assert [row["file_name"] for row in rows] == [n for n in names if "broken" not in n]
    for row in rows:
        found = found_in(row["file_name"])
        assert row["boxes_xyxy"] == found.boxes_xyxy.tolist()
        assert len(row["masks"]) == len(found)


def test_status_counts_and_names_failures(plan, names):
    job = plan("names.txt")
    label(job, [0, 2])
    status = read_status(open_job(job.folder))
    assert (status.shards_done, status.shards, status.shards_at_work) == (2, 3, 0)
    assert (status.images_done, status.images, status.failures) == (6, 10, 2)
    assert list(failed_images(job)) == [
        ("broken-3.jpg", "it is broken"),
        ("broken-8.jpg", "it is broken"),
    ]
    with job.lock(1):
        assert read_status(job).shards_at_work == 1
    assert "images   6 of 10, 2 failed" in str(status)


def test_every_format_can_be_named():
    assert (*MERGES, *REVIEWS) == FORMATS
    assert {"webdataset", *REVIEWS} == set(FOLDERS)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["coco", "--copy-images"],
            "--copy-images does not go with coco, but with label-studio, cvat",
        ),
        (["html", "--image-root", "."], "--image-root does not go with html"),
        (["jsonl", "--per-class", "3"], "--per-class does not go with jsonl, but with html"),
        (["webdataset", "--review", "2"], "--review does not go with webdataset"),
    ],
)
def test_flags_of_other_formats_are_refused(plan, names, merged, arguments, problem):
    job = plan("names.txt")
    label(job)
    with pytest.raises(InputError, match=problem):
        merged(job, arguments[0], "out", *arguments[1:])
    assert not Path("out").exists()


def test_folders_that_hold_something_are_kept(plan, names, merged):
    job = plan("names.txt")
    label(job)
    (job.folder / "mine.txt").touch()
    with pytest.raises(InputError, match="job holds files, which are kept; name a new folder"):
        merged(job, "fiftyone", "job", "--overwrite")


def test_boxes_only_leaves_masks_out(plan, names, merged):
    job = plan("names.txt")
    label(job)
    whole, boxes = (
        json.loads(merged(job, "coco", f"{len(flags)}.json", *flags).read_text())["annotations"]
        for flags in ([], ["--boxes-only"])
    )
    for row in whole:
        del row["segmentation"]
        row["area"] = 10.5 * 5.25
    assert boxes == [row | {"area": round(row["area"], 3)} for row in whole]
