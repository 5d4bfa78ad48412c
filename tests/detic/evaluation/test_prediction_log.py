"""Writing detections down as they come, and going on after an interruption."""

import json

import pytest
import torch
import torch.multiprocessing as mp

from detic.errors import InputError
from detic.evaluation.prediction_log import PredictionLog
from detic.result_rows import ResultRows


def image(image_id, *scores):
    count = len(scores)
    return ResultRows(
        image_id=image_id,
        category_ids=[5] * count,
        scores=list(scores),
        boxes_xywh=[[1.0, 2.0, 3.0, 4.0]] * count,
    )


def log_of(tmp_path, *images, resume=False, run=None):
    log = PredictionLog(tmp_path / "log", run=run or {"dataset": "pets"}, resume=resume)
    log.start()
    for detections in images:
        log.append(detections)
    return log


def test_results_are_ordered_by_image_one_detection_a_line(tmp_path):
    results = log_of(tmp_path, image(9, 0.5), image(2), image(4, 0.25, 0.75)).finish(
        tmp_path / "results.json"
    )
    rows = json.loads(results.path.read_text())
    assert [(row["image_id"], row["score"]) for row in rows] == [(4, 0.25), (4, 0.75), (9, 0.5)]
    assert rows[0] == {"image_id": 4, "category_id": 5, "bbox": [1, 2, 3, 4], "score": 0.25}
    assert len(results.path.read_text().splitlines()) == 5  # [, three detections, ]
    assert results.image_ids == [2, 4, 9]
    assert results.image_indices.tolist() == [1, 1, 2]
    assert list(results.rows(results.scores > 0.3)) == rows[1:]
    with results.only(results.scores < 0.6) as kept:  # of lines with and without a comma
        assert json.loads(kept.path.read_text()) == [rows[0], rows[2]]
    with results.only(results.image_indices == 1) as kept:
        assert json.loads(kept.path.read_text()) == rows[:2]
    with results.only(results.scores > 1) as kept:
        assert json.loads(kept.path.read_text()) == []


def test_no_images_make_an_empty_list(tmp_path):
    results = log_of(tmp_path).finish(tmp_path / "results.json")
    assert json.loads(results.path.read_text()) == []
    assert len(results) == 0


def test_resumed_run_keeps_finished_images_only(tmp_path):
    log_of(tmp_path, image(1, 0.5), image(2, 0.5))
    with open(tmp_path / "log" / "rank0.jsonl", "a") as file:  # stopped in the middle of image 3
        file.write('{"image_id": 3, "category_id": 5}\n{"image_id": 3, "cat')
    log = PredictionLog(tmp_path / "log", run={"dataset": "pets"}, resume=True)
    assert log.finished_image_ids() == {1, 2}
    log.start()
    log.append(image(3, 0.75))
    rows = json.loads(log.finish(tmp_path / "results.json").path.read_text())
    assert [(row["image_id"], row["score"]) for row in rows] == [(1, 0.5), (2, 0.5), (3, 0.75)]


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        (lambda log: log.replace(b"0.5", b"0.6", 1), {1}),  # in a detection
        (lambda log: log.replace(b'"scores": [0.5', b'"scores": [0.7', 1), {1}),
        (lambda log: log.replace(b'{"finished_image": 1', b'{"finished_image": 9'), {1}),
        (lambda log: log.replace(b'{"finished_image": 1', b'["finished_image": 1'), {1, 2}),
        (lambda log: log.replace(b'"crc32": ', b'"crc32": 1', 1), {1}),
        (lambda log: log.replace(b"\n", b"\0", 2), {1, 2}),
        (lambda log: log[:50] + bytes(40) + log[90:], {1}),
        (lambda log: log[60:], {1}),
        (lambda log: log[:-3], {3}),  # as an interrupted process leaves it
    ],
)
def test_damaged_images_are_predicted_again(tmp_path, caplog, damage, lost):
    images = {number: image(number, 0.5, 0.25) for number in (1, 2, 3)}
    whole = log_of(tmp_path, *images.values()).finish(tmp_path / "whole.json")
    path = tmp_path / "log" / "rank0.jsonl"
    before = path.read_bytes()
    path.write_bytes(damage(before))
    assert path.read_bytes() != before
    log = PredictionLog(tmp_path / "log", run={"dataset": "pets"}, resume=True)
    assert log.finished_image_ids() == {1, 2, 3} - lost
    assert ("rank0.jsonl is damaged in 1 places" in caplog.text) == bool(lost - {3})
    log.start()
    for number in lost:
        log.append(images[number])
    again = log.finish(tmp_path / "again.json")
    assert again.path.read_bytes() == whole.path.read_bytes()
    assert again.scores.tolist() == whole.scores.tolist()


def test_a_damaged_description_is_named(tmp_path):
    log_of(tmp_path, image(1, 0.5))
    (tmp_path / "log" / "run.json").write_text("[]")
    with pytest.raises(InputError, match=r"run\.json is damaged; start over without resuming"):
        log_of(tmp_path, resume=True)


def test_run_that_is_not_resumed_starts_over(tmp_path):
    log_of(tmp_path, image(1, 0.5))
    log = log_of(tmp_path, image(2, 0.5))
    assert log.finished_image_ids() == set()
    assert log.finish(tmp_path / "results.json").image_ids == [2]


def test_second_pass_of_a_resumed_run_starts_over(tmp_path):
    log_of(tmp_path, image(1, 0.5))
    log = log_of(tmp_path, image(2, 0.5), resume=True)
    log.start()
    assert log.finish(tmp_path / "results.json").image_ids == []


def test_resuming_without_an_earlier_run_starts_one(tmp_path):
    assert PredictionLog(tmp_path, run={}, resume=True).finished_image_ids() == set()


def test_another_run_is_not_resumed(tmp_path):
    log_of(tmp_path, run={"dataset": "pets", "run_key": "a.pth"})
    message = "made with run_key 'a.pth', now it is 'b.pth'; use another output folder"
    with pytest.raises(InputError, match=message):
        log_of(tmp_path, resume=True, run={"dataset": "pets", "run_key": "b.pth"})


def test_an_image_predicted_twice_counts_once(tmp_path):
    log = log_of(tmp_path, image("a", 0.5), image("a", 0.25))
    assert len(log.finish(tmp_path / "results.json")) == 1


def test_processes_share_an_image_list_and_the_main_one_gathers(tmp_path):
    mp.spawn(_one_of_two, args=(tmp_path,), nprocs=2)
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [row["image_id"] for row in rows] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == [
        "rank0.jsonl",
        "rank1.jsonl",
        "run.json",
    ]
    # A job of one process goes on where one of two stopped.
    resumed = PredictionLog(tmp_path / "log", run={"dataset": "pets"}, resume=True)
    assert resumed.finished_image_ids() == set(range(8))


def _one_of_two(rank, tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meeting", rank=rank, world_size=2
    )
    log = log_of(tmp_path, *(image(image_id, 0.5) for image_id in range(rank, 8, 2)))
    results = log.finish(tmp_path / "results.json")
    assert (results is None) == (rank == 1)
    torch.distributed.destroy_process_group()
