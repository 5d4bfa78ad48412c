"""Progress in logs: few lines."""

import io
import sys

import pytest

from detic import progress
from detic.progress import counter, track


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def now(monkeypatch):
    """The time in seconds, to be set forward."""
    times = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: times[0])
    return times


def test_a_log_gets_a_line_every_ten_seconds_and_one_at_the_end(now, capsys):
    for _ in track(range(200), "pets", unit="img"):
        now[0] += 0.25
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "pets: 40/200, 4 img/s, 0:00:40 left",
        "pets: 80/200, 4 img/s, 0:00:30 left",
        "pets: 120/200, 4 img/s, 0:00:20 left",
        "pets: 160/200, 4 img/s, 0:00:10 left",
        "pets: 200/200, 4 img/s, 0:00:00 left",
        "pets: 200/200, 4 img/s, 0:00:50 in all",
    ]


def test_short_work_needs_no_line(now, capsys):
    for _ in track([1, 2], unit="img"):
        now[0] += 0.1
    assert capsys.readouterr().err == ""


def test_items_may_be_counted_by_hand(now, capsys):
    with counter("frames", unit="frame") as bar:
        bar.set_postfix_str("loss 1")
        bar.update(60)
        now[0] += 30
    assert capsys.readouterr().err == "frames: 60, 2 frame/s, 0:00:30 in all, loss 1\n"


def test_work_that_is_given_up_says_how_far_it_came(now, capsys):
    with track(iter("abc"), unit="letter", total=3) as letters:
        for letter in letters:
            now[0] += 2
            if letter == "b":
                break
    assert capsys.readouterr().err == "letter: 1/3, 0.25 letter/s, 0:00:04 in all\n"


def test_a_terminal_gets_a_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(track([1, 2], "pets", unit="img")) == [1, 2]
    with counter("frames", unit="frame", total=7) as bar:
        bar.update(7)
    assert "7/7" in sys.stderr.getvalue()
    assert "2/2" in sys.stderr.getvalue()
    assert "\r" in sys.stderr.getvalue()


def test_nothing_is_shown_unless_it_is_wanted(now, capsys):
    for _ in track([1], "pets", unit="img", show=False):
        now[0] += 100
    assert capsys.readouterr().err == ""
