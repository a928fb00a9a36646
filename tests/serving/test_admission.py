"""Which requests are taken."""

import pytest

from sensorium.serving.admission import Admission
from sensorium.serving.refusal import Refusal


def test_so_many_at_once():
    admission = Admission(2, 100)
    with admission.enter():
        with admission.enter(), pytest.raises(Refusal, match=r"as many requests as it can take\. Try again\.") as error:
            with admission.enter():
                pass
        assert (error.value.status, error.value.headers["Retry-After"]) == (503, "1")
        with admission.enter():
            assert admission.requests == 2
    assert admission.requests == 0


def test_so_many_bytes_of_all():
    admission = Admission(9, 100)
    with admission.enter() as first, admission.enter() as second:
        first.charge(60)
        second.charge(40)
        with pytest.raises(Refusal, match="as many bytes of requests as it can") as error:
            second.charge(1)
        assert error.value.status == 503
    assert admission.bytes == 0


def test_room_is_given_back_when_the_work_fails():
    admission = Admission(1, 100)

    def work():
        with admission.enter() as one:
            one.charge(70)
            raise RuntimeError("work")

    with pytest.raises(RuntimeError, match="work"):
        work()
    assert (admission.requests, admission.bytes) == (0, 0)
