"""Times as people write them, and the clock of a time limit."""

from hypothesis import given
from hypothesis import strategies as st

from lamina.training.time_limit import TimeLimit, duration_said, seconds_of


@given(st.integers(1, 10**6))
def test_what_is_said_is_read(seconds):
    assert seconds_of(duration_said(seconds)) == seconds


def test_a_limit_keeps_the_time_of_what_is_rehearsed():
    now = [5.0]
    limit = TimeLimit(10, used=1, clock=lambda: now[0])
    with limit.keeping():
        now[0] += 2
    assert (limit.used, limit.left, limit.share) == (3, 5, 3 / 8)
    limit.go_on(4)
    assert (limit.used, limit.left, limit.share) == (7, 1, 7 / 8)
    now[0] += 2
    assert (limit.left, limit.share) == (-1, 1)
    limit.kept = 20
    assert (limit.available, limit.share) == (0, 1)
