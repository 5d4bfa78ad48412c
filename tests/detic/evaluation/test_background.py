import threading

import pytest

from detic.evaluation.background import Background


def test_jobs_run_beside_their_caller_one_after_the_other():
    background, may_end, ended = Background(), threading.Event(), []

    def job():
        may_end.wait(10)
        ended.append(1)

    background.run(job)
    assert ended == []
    may_end.set()
    background.run(lambda: ended.append(2))
    background.finish()
    assert ended == [1, 2]


def test_what_a_job_raises_reaches_the_next_call_once():
    background = Background()
    background.run(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        background.run(lambda: None)
    background.finish()
