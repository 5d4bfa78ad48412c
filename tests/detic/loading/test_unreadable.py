"""Counting, listing and limiting unreadable images."""

import logging

import pytest

from detic.errors import InputError
from detic.loading.image_reader import UnreadableImage
from detic.loading.unreadable import FILE_NAME, UnreadableImages


def failures(count, first=0):
    return [UnreadableImage(f"{i}.jpg", "broken") for i in range(first, first + count)]


def test_one_bad_image_does_not_stop_a_training():
    unreadable = UnreadableImages(max_fraction=0.01)
    unreadable.count(20, failures(1))
    assert (unreadable.num_seen, unreadable.num_unreadable) == (20, 1)


def test_a_share_means_nothing_before_twenty_images_are_seen():
    unreadable = UnreadableImages(max_fraction=0.01)
    unreadable.count(19, failures(19))
    with pytest.raises(InputError):
        unreadable.count(1, failures(1, first=19))


def test_a_whole_set_is_judged_however_small_it_is():
    unreadable = UnreadableImages(max_fraction=0.01)
    unreadable.count(10, failures(1))
    unreadable.check()
    unreadable.count(1, failures(1, first=1))
    with pytest.raises(InputError, match="2 of 11 images cannot be read"):
        unreadable.check()


def test_readable_items_of_a_batch_are_counted_and_handed_on():
    unreadable = UnreadableImages(max_fraction=0.5)
    assert unreadable.readable([1, *failures(1), 2]) == [1, 2]
    assert (unreadable.num_seen, unreadable.num_unreadable) == (3, 1)


def test_processes_count_together():
    parts = [UnreadableImages(max_fraction=0.1) for _ in range(2)]
    for number, part in enumerate(parts):
        part.count(10, failures(1, first=number))
    total = parts[0].together(parts)
    assert (total.num_seen, total.num_unreadable) == (20, 2)
    assert list(total.reasons) == ["0.jpg", "1.jpg"]


def test_too_many_stop_the_training_with_examples():
    unreadable = UnreadableImages(max_fraction=0.1)
    # Of 103 images 10.3 are expected, and 3 * sqrt(10.3 * 0.9) = 9.1 more may be chance.
    unreadable.count(100, failures(16))
    message = r"20 of 103 images .*MAX_BAD_FRACTION = 0\.1 allows: 0\.jpg \(broken\); 1\.jpg"
    with pytest.raises(InputError, match=message):
        unreadable.count(3, failures(4, first=16))


def test_without_tolerance_the_first_one_stops_the_training():
    unreadable = UnreadableImages(max_fraction=0.0)
    unreadable.count(30, [])
    with pytest.raises(InputError, match="1 of 31 images cannot be read"):
        unreadable.count(1, failures(1))


def test_a_share_is_from_0_to_1():
    with pytest.raises(InputError, match="MAX_BAD_FRACTION is 5; expected a share from 0 to 1"):
        UnreadableImages(5)


def test_messages_come_at_intervals(caplog, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    unreadable = UnreadableImages(max_fraction=1.0)
    with caplog.at_level(logging.WARNING):
        for i in range(5):
            unreadable.count(1, failures(1, first=i))
        now[0] += 11
        unreadable.count(1, failures(1, first=5))
    assert [record.getMessage()[-15:] for record in caplog.records] == [
        "(1 of 1 so far)",
        "(6 of 6 so far)",
    ]


def test_the_list_is_written_and_added_to(tmp_path):
    unreadable = UnreadableImages(max_fraction=1.0)
    unreadable.write(tmp_path)
    assert not (tmp_path / FILE_NAME).exists()
    unreadable.count(2, [UnreadableImage("b.jpg", "two\nlines"), UnreadableImage("a.jpg", "x")])
    unreadable.write(tmp_path / "output")
    other_process = UnreadableImages(max_fraction=1.0)
    other_process.count(2, [UnreadableImage("c.jpg", "y"), UnreadableImage("a.jpg", "x")])
    other_process.write(tmp_path / "output")
    lines = (tmp_path / "output" / FILE_NAME).read_text().splitlines()
    assert lines == ["a.jpg\tx", "b.jpg\ttwo lines", "c.jpg\ty"]
