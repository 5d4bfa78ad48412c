import os
import re
import time
from dataclasses import replace

import pytest

from detic.errors import InputError
from detic.files import unfinished_path
from detic.labelling.job import check_same, open_job
from detic.labelling.locks import locked
from detic.labelling.shards import Shard, UnreadableShard
from detic.labelling.worker import ShardWorker, label_shard
from tests.detic.labelling.conftest import label
from tests.quick_labeller import QuickLabeller


def test_a_plan_is_read_back(plan, names):
    job = plan("names.txt")
    assert open_job(job.folder).shards == job.shards
    assert [shard.num_images for shard in job.shards] == [4, 4, 2]
    assert job.num_images == 10
    assert [category.name for category in job.categories] == ["cup", "mug", "jug"]


def test_the_same_plan_goes_on(plan, names):
    job = plan("names.txt")
    label(job, [1])
    again = plan("names.txt")
    assert again == job
    assert again.missing() == [0, 2]


def test_another_plan_is_refused(plan, names):
    job = plan("names.txt")
    with pytest.raises(InputError, match=r"holds a job with other inputs; name the same"):
        plan("names.txt", "names.txt")
    with pytest.raises(InputError, match=r"with other vocabulary, weights;"):
        check_same(job, job.settings | {"vocabulary": "x", "weights": "y"})


def test_other_shards_of_the_same_inputs_are_refused(plan, names):
    plan("names.txt")
    with pytest.raises(InputError, match=r"with other shard size, image column; name the same"):
        plan("names.txt", size=5, column="jpg")


def test_a_job_can_be_moved(plan, write_image, tmp_path):
    write_image("photos/a.png")
    job = plan("photos", folder="job")
    (tmp_path / "job").rename(tmp_path / "moved")
    (shard,) = open_job(tmp_path / "moved").shards
    assert [image.name for image in shard.read()] == ["photos/a.png"]
    assert plan("photos", folder="another").id == job.id


def test_the_same_names_elsewhere_are_others(plan, names, monkeypatch, tmp_path):
    job = plan("names.txt")
    monkeypatch.chdir(job.folder)
    with pytest.raises(InputError, match="with other inputs"):
        check_same(job, job.settings, ["names.txt"])
    check_same(job, job.settings, [str(tmp_path / "names.txt")])


def test_a_plan_that_was_killed_is_made_again(plan, names):
    job = plan("names.txt")
    (job.folder / "manifest.json").unlink()
    (job.folder / "inputs" / "00007.txt").touch()
    assert plan("names.txt") == job


def test_parts_of_other_jobs_and_cut_parts_do_not_count(plan, names):
    job = plan("names.txt")
    label(job)
    whole = job.part_path(0).read_bytes()
    job.part_path(0).write_bytes(whole[:-1])
    job.part_path(1).write_bytes(whole.replace(job.id.encode(), b"0" * 16))
    assert job.missing() == [0, 1]


def test_a_plan_that_is_damaged_is_named(plan, names):
    path = plan("names.txt").folder / "shards.jsonl"
    first, *_ = whole = path.read_text().splitlines()
    for content, problem in (
        ("\n".join(whole)[:-5], r"shards\.jsonl is damaged \(.*; plan a job in another folder"),
        (first, r"shards\.jsonl is damaged \(it has 1 of 3 shards\)"),
        ("{}", r"shards\.jsonl is damaged"),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=problem):
            _ = open_job(path.parent).shards
    path.unlink()
    with pytest.raises(InputError, match=r"shards\.jsonl is damaged \(.*No such file"):
        _ = open_job(path.parent).shards


def test_a_shard_that_another_has_is_left_to_it(plan, names):
    job = plan("names.txt")
    with job.lock(0) as is_ours:
        assert is_ours
        assert job.is_locked(0)
        label(job)
    assert job.missing() == [0]
    assert not job.is_locked(0)
    assert not list((job.folder / "locks").iterdir())


@pytest.fixture
def leftovers(plan, names):
    """A job of which workers were killed: of this machine, of another one just now and two days ago."""
    job = plan("names.txt")
    label(job, [0])
    with unfinished_path(job.part_path(1)) as unfinished:
        ours = unfinished.with_name(unfinished.name.replace(f"-{os.getpid():x}-", "-7fffffff-"))
    theirs, old = (ours.with_name(re.sub(r"\.\w{8}-", f".{n:08x}-", ours.name)) for n in (1, 2))
    for path in (ours, theirs, old):
        path.touch()
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    return job, [ours, theirs, old]


def test_what_a_killed_worker_left_is_removed_when_its_shard_is_done_again(leftovers):
    job, paths = leftovers
    label(job, [2])
    assert all(path.exists() for path in paths)  # no worker of this shard was killed
    (job.folder / "locks" / "00001").touch()
    label(job, [1])
    assert [path.exists() for path in paths] == [False, True, False]


def test_what_killed_workers_left_is_removed_at_the_end(leftovers, merged):
    job, paths = leftovers
    merged(job, "jsonl", "some.jsonl", "--partial")
    assert [path.exists() for path in paths] == [False, True, False]


def test_a_worker_builds_its_labeller_once(plan, names, monkeypatch):
    job = plan("names.txt")
    built = []
    monkeypatch.setattr("tests.quick_labeller.make", lambda: built.append(1) or QuickLabeller())
    ShardWorker(job.folder)
    assert built == [1]


def test_an_address_that_does_not_answer_is_given_time(plan, names, monkeypatch):
    worker = ShardWorker(plan("names.txt").folder)
    here, there = replace(worker.job.shards[0], path="gone.txt"), Shard("list", "memory://gone.txt")
    worker.job.shards[:2] = [here, there]
    pauses = []
    monkeypatch.setattr("time.sleep", pauses.append)
    with pytest.raises(UnreadableShard):
        worker.label(0)
    assert pauses == []
    with pytest.raises(UnreadableShard):
        worker.label(1)
    assert pauses == [5.0]


def test_a_part_is_there_until_the_new_one_is(plan, names):
    job = plan("names.txt")
    label(job)
    before = job.part_path(0).read_bytes()

    def killed(images):
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        label_shard(job, 0, killed, lambda count: None, retry_failed=True)
    assert job.part_path(0).read_bytes() == before
    assert job.missing() == []
    assert job.missing(retry_failed=True) == [0, 2]


def test_a_lock_is_given_back_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock"):
        raise ZeroDivisionError
    with locked(tmp_path / "lock") as is_ours:
        assert is_ours


def test_folders_without_a_job_are_named(tmp_path):
    with pytest.raises(InputError, match="holds no job"):
        open_job(tmp_path)
    for content, problem in (
        ('{"version": 1}', r"manifest\.json is damaged"),
        ("[1]", r"manifest\.json is damaged"),
        ('{"version": 7}', "was planned by another version of Detic"),
    ):
        (tmp_path / "manifest.json").write_text(content)
        with pytest.raises(InputError, match=problem):
            open_job(tmp_path)


def test_a_list_without_images_is_refused(plan, tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(InputError, match=r"there are no images in empty\.txt"):
        plan("empty.txt")
