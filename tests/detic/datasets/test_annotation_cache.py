"""Annotation files that are remembered as arrays."""

import json
import logging
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from detic.datasets import annotation_cache
from detic.datasets.annotation_cache import (
    load_cache,
    read_annotation_table,
    table_of_whole_file,
    write_cache,
)
from detic.datasets.coco_style import coco_style_records
from detic.datasets.image_records import RecordList
from detic.datasets.lvis_style import lvis_style_records
from detic.datasets.table_builder import as_hundredths
from detic.errors import InputError
from detic.shared_arrays import ArrayWriter, from_handle, handle_of

TRIANGLE, LINE = [0.25, 1, 5.5, 1, 5.5, 7.01], [0, 0, 5, 5]
RUNS = {"size": [20, 30], "counts": [21, 5, 15, 5, 554]}
MASKS = [
    [TRIANGLE, LINE],
    None,
    [LINE],
    RUNS,
    {"size": [20, 30], "counts": "e05?0k`0"},
    [TRIANGLE, [1 / 3, 0, 9, 0, 9, 9, 1, 9]],
    {"size": [20, 30], "counts": [600]},
    [],
]


def content(seed=0, text_ids=False):
    """Return a file of all that annotation files have."""
    as_id = (lambda number: f"i{number}") if text_ids else int
    image = {"height": 20, "width": 30}
    images = [
        image | {"id": as_id(9), "file_name": "ä.jpg", "neg_category_ids": [7, 3]},
        image | {"id": as_id(2), "coco_url": "http://x/train2017/b.jpg", "pos_category_ids": [7]},
        {"id": as_id(5), "tar_index": 4, "height": 30, "width": 20, "captions": ["a cup"]},
    ]
    annotations = [
        {
            "id": number,
            "image_id": as_id((9, 2)[number % 2]),
            "category_id": (3, 7, 7)[number % 3],
            "bbox": [1, 2.5, 3 + seed, 4],
            "iscrowd": int(number == 5),
            **({} if mask is None else {"segmentation": mask}),
        }
        for number, mask in enumerate(MASKS, start=1)
    ]
    categories = [{"id": 7, "name": "cup"}, {"id": 3, "name": "löffel"}]
    return {"images": images, "annotations": annotations, "categories": categories}


@pytest.fixture
def file(tmp_path, monkeypatch):
    """An annotation file that is worth a cache."""
    monkeypatch.setattr(annotation_cache, "SMALLEST", 0)
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "data" / "a.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content()))
    return path


def records_of(table):
    return list(lvis_style_records(table, "ROOT"))


def caches(path):
    return sorted(found for found in path.parent.parent.rglob("*arrays*") if found.is_file())


@pytest.mark.parametrize("text_ids", [False, True])
def test_blocks_give_what_the_whole_file_gives(file, text_ids):
    file.write_text(json.dumps(content(text_ids=text_ids)))
    expected = records_of(table_of_whole_file(file))
    assert records_of(read_annotation_table(file)) == expected
    assert records_of(read_annotation_table(file)) == expected  # remembered
    masks = [[a.get("segmentation") for a in record["annotations"]] for record in expected]
    compressed = {"size": [20, 30], "counts": b"e05?0k`0"}
    assert masks == [[[TRIANGLE], None, None], [], [None, compressed, MASKS[5], None]]
    assert [type(number) for number in masks[0][0][0]] == [type(number) for number in TRIANGLE]
    assert [record.get("file_name") for record in expected] == [
        "ROOT/train2017/b.jpg",
        None,
        "ROOT/ä.jpg",
    ]


def test_the_second_reading_does_not_parse(file, monkeypatch):
    first = records_of(read_annotation_table(file))
    assert caches(file) == [file.with_name(".a.json.arrays2")]
    monkeypatch.setattr(annotation_cache, "record_blocks", pytest.fail)
    assert records_of(read_annotation_table(file)) == first


def test_other_content_of_the_same_size_and_time_is_noticed(file, caplog):
    read_annotation_table(file)
    status = file.stat()
    file.write_text(json.dumps(content(seed=1)))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file.stat().st_size == status.st_size
    with caplog.at_level(logging.INFO):
        assert records_of(read_annotation_table(file))[0]["annotations"][0]["bbox"][2] == 4
    assert "again, as its cache does not serve: the annotation file has changed" in caplog.text
    assert records_of(read_annotation_table(file))[0]["annotations"][0]["bbox"][2] == 4


@pytest.mark.parametrize("place", [0, 20, 25, 40, 300, 0.5, 0.9, -1])
def test_a_damaged_cache_is_made_again(file, place, caplog):
    expected = records_of(read_annotation_table(file))
    (cache,) = caches(file)
    whole = cache.read_bytes()
    damaged = bytearray(whole)
    damaged[place if isinstance(place, int) else int(place * len(whole))] ^= 4
    cache.write_bytes(damaged)
    with caplog.at_level(logging.INFO):
        assert records_of(read_annotation_table(file)) == expected
    assert caplog.text.count("its cache does not serve") == 1
    assert cache.read_bytes() == whole


@pytest.mark.parametrize("size", [0, 10, 30, 500, -1])
def test_a_cache_that_is_cut_short_is_made_again(file, size):
    expected = records_of(read_annotation_table(file))
    (cache,) = caches(file)
    whole = cache.read_bytes()
    cache.write_bytes(whole[:size])
    assert records_of(read_annotation_table(file)) == expected
    assert cache.read_bytes() == whole


def forged(table, name, change):
    """Return a table with another array, which a checksum of its own would protect."""
    writer = ArrayWriter()
    for key in table.arrays:
        array = table[key].copy()
        writer.add(key, change(array) if key == name else array)
    return type(table)(table.path, table.categories, table.has_text_ids, writer.finish())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("annotation_ends", lambda ends: ends * 1000),
        ("annotation_ends", lambda ends: ends[::-1].copy()),
        ("places", lambda texts: texts[:-1]),
        ("classes", lambda ranks: ranks + 2),
        ("part_starts", lambda starts: starts + 10**6),
        ("part_counts", lambda counts: counts + 2),
        ("mask_kinds", lambda kinds: kinds + 9),
        ("boxes", lambda boxes: boxes * float("nan")),
        ("sizes_hw", lambda sizes: sizes[:, :1].copy()),
        ("image_ids", lambda ids: ids.astype(np.int32)),
    ],
)
def test_what_does_not_fit_together_is_no_cache(file, name, change):
    table = read_annotation_table(file)
    write_cache(file.with_name("forged"), forged(table, name, change), "digest")
    with pytest.raises(ValueError, match=f"'{name}' is not as it was written"):
        load_cache(file.with_name("forged"), "a.json", "digest")


def test_where_the_folder_takes_no_file_the_user_s_cache_serves(file, monkeypatch):
    beside = file.with_name(".a.json.arrays2")
    beside.mkdir()
    expected = records_of(read_annotation_table(file))
    (cache,) = caches(file)
    assert cache.parent == file.parent.parent / "cache" / "annotations"
    monkeypatch.setattr(annotation_cache, "record_blocks", pytest.fail)
    assert records_of(read_annotation_table(file)) == expected


def test_where_no_folder_takes_it_nothing_is_remembered(file, monkeypatch, caplog):
    file.with_name(".a.json.arrays2").mkdir()
    monkeypatch.setenv("DETIC_CACHE", str(file))
    with caplog.at_level(logging.INFO):
        assert len(read_annotation_table(file)) == 3
    assert "is not remembered" in caplog.text
    assert not caches(file)


def test_small_files_are_not_remembered(file, monkeypatch):
    monkeypatch.setattr(annotation_cache, "SMALLEST", 10**6)
    read_annotation_table(file)
    assert not caches(file)


def test_several_at_once_leave_one_whole_cache(file):
    start, results = threading.Barrier(4), []

    def read():
        start.wait()
        results.append(records_of(read_annotation_table(file)))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [results[0]] * 4
    assert caches(file) == [file.with_name(".a.json.arrays2")]
    assert sorted(path.name for path in file.parent.iterdir()) == [".a.json.arrays2", "a.json"]


def test_unusual_files_are_remembered_too(file, monkeypatch):
    whole = content()
    del whole["annotations"][0]["bbox"]  # which that of the mask replaces
    file.write_text(json.dumps(whole))
    expected = records_of(read_annotation_table(file))
    assert expected[0]["annotations"][0]["bbox"] == [0.25, 1, 5.25, 6.01]
    monkeypatch.setattr(annotation_cache, "table_of_whole_file", pytest.fail)
    assert records_of(read_annotation_table(file)) == expected


def test_damaged_files_are_explained_as_ever(file):
    file.write_text(json.dumps(content())[:-20])
    with pytest.raises(InputError, match=r"a\.json is not valid JSON"):
        read_annotation_table(file)
    with pytest.raises(InputError, match="not found"):
        read_annotation_table(Path("no/such.json"))


@pytest.mark.parametrize("style", [lvis_style_records, coco_style_records])
def test_what_all_records_say_is_what_each_says(file, style):
    whole = content()
    for image in whole["images"]:
        image["file_name"] = f"{image['id']}.jpg"
    file.write_text(json.dumps(whole))
    records = style(read_annotation_table(file), "ROOT")
    one_by_one = RecordList(records)
    for images in (np.arange(3), np.array([0, 2])):
        some, listed = records.kept(images), one_by_one.kept(images)
        assert list(some) == listed
        assert some.are_wide().tolist() == listed.are_wide().tolist()
        for name in ("boxes", "box_labels", "image_labels"):
            a, b = getattr(some, name)(), getattr(listed, name)()
            for field in vars(a):
                np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
    assert list(records.with_boxes_for_masks()) == one_by_one.with_boxes_for_masks()


def test_other_processes_read_the_same_records(file):
    records = lvis_style_records(read_annotation_table(file), "ROOT")
    assert list(from_handle(handle_of(records))) == list(records)


def test_hundredths_are_kept_where_they_are_exact():
    texts = [f"{whole}.{part:02d}" for whole in (0, 7, 510, 99999) for part in range(100)]
    numbers = np.array([float(text) for text in texts])
    kept = as_hundredths(numbers)
    assert kept.dtype == np.int32
    assert (kept / 100).tolist() == numbers.tolist()
    for other in ([1 / 3], [0.001], [3e7]):
        assert as_hundredths(np.array(other)).tolist() == other
