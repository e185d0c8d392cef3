"""Times as people write them, and the clock of a time limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.training.time_limit import Pace, TimeLimit, duration_said, seconds_of


@given(st.integers(1, 10**6))
def test_what_is_said_is_read(seconds):
    assert seconds_of(duration_said(seconds)) == seconds


@pytest.mark.parametrize("limit", [10**400, "1e999", 0, -1, float("nan")])
def test_a_limit_is_positive_and_finite(limit):
    with pytest.raises(ValueError, match="time_limit must be above 0 and finite"):
        seconds_of(limit)


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


def test_a_pace_is_seconds_for_one_that_is_computed():
    wall, computed = [5.0], [1.0]
    pace = Pace(lambda: wall[0], lambda: computed[0])
    assert pace.slowness == 1
    for passed, busy, expected in ((0.6, 0.2, 3), (0.2, 0.2, 2), (0.0, 0.6, 1)):
        with pace.watching():
            wall[0] += passed
            computed[0] += busy
        assert pace.slowness == pytest.approx(expected)
