import json

import pytest

from detic.errors import InputError
from detic.labelling.claims import claimed
from detic.labelling.job import check_same, open_job
from tests.detic.labelling.conftest import label


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
        check_same(job, [], job.settings | {"vocabulary": "x", "weights": "y"})


def test_the_same_names_elsewhere_are_others(plan, names, monkeypatch, tmp_path):
    job = plan("names.txt")
    monkeypatch.chdir(job.folder)
    with pytest.raises(InputError, match="with other inputs"):
        check_same(job, ["names.txt"], job.settings)
    check_same(job, [str(tmp_path / "names.txt")], job.settings)


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


def test_a_shard_that_another_has_is_left_to_it(plan, names):
    job = plan("names.txt")
    with job.claim(0) as is_ours:
        assert is_ours
        assert job.is_claimed(0)
        label(job)
    assert job.missing() == [0]
    assert not job.is_claimed(0)
    assert not list((job.folder / "claims").iterdir())


def test_a_claim_is_given_back_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), claimed(tmp_path / "claim"):
        raise ZeroDivisionError
    with claimed(tmp_path / "claim") as is_ours:
        assert is_ours


def test_folders_without_a_job_are_named(tmp_path):
    with pytest.raises(InputError, match="holds no job"):
        open_job(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"version": 1}))
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        open_job(tmp_path)


def test_a_list_without_images_is_refused(plan, tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(InputError, match=r"there are no images in empty\.txt"):
        plan("empty.txt")
