"""Times as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import LaminaError
from lamina.training.time_limit import duration_said, time_limit_seconds


@given(st.integers(1, 10**6))
def test_what_is_said_is_read(seconds):
    assert time_limit_seconds(duration_said(seconds)) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-5", "5x", "m5", "5m!", "nan", "inf", "1e3", "5 minutes", "٥m x"]
)
def test_what_is_no_time_is_told(text):
    with pytest.raises(LaminaError, match="--time-limit takes a time above 0, like 90s, 5m or 1h30m; not "):
        time_limit_seconds(text)
