import asyncio

import pytest

from detic.serving.limits import Admission, HTTPError, Limits, within


def refused(status, function, *arguments):
    with pytest.raises(HTTPError) as error:
        function(*arguments)
    assert error.value.status == status
    return error.value


def enter(admission, client="a"):
    return admission.entered(client).__enter__()


def test_requests_beyond_the_limit_are_told_when_to_come_again():
    admission = Admission(Limits(max_requests=2))
    admission.note_batch(40.0, 1)  # a mean of 8 s an image
    with admission.entered("a"), admission.entered("b"):
        assert refused(503, enter, admission).headers == {"Retry-After": "8"}
    with admission.entered("a"):
        pass


def test_one_client_leaves_room_for_others():
    admission = Admission(Limits(max_per_client=1))
    with admission.entered("a"):
        refused(429, enter, admission, "a")
        with admission.entered("b"):
            pass
    with admission.entered("a"):
        pass


def test_memory_is_given_back():
    admission = Admission(Limits(max_held_bytes=10))
    with admission.entered("a") as first, admission.entered("b") as second:
        first.hold(7)
        refused(503, second.hold, 4)
    assert (admission.held_bytes, admission.num_requests) == (0, 0)


def test_what_no_waiting_makes_room_for_is_told_so():
    admission = Admission(Limits(max_held_bytes=10))
    with admission.entered("a") as reservation:
        reservation.hold(7)
        assert "higher threshold" in str(refused(413, reservation.hold, 4))


def test_a_body_is_not_read_beyond_its_limit():
    sent = []

    async def body():
        for _ in range(9):
            sent.append(4)
            yield b"four"

    async def read():
        with Admission(Limits()).entered("a") as reservation:
            return [part async for part in within(body(), 10, reservation)]

    refused(413, asyncio.run, read())
    assert sent == [4, 4, 4]
