"""Streamed tables divided by groups and in time."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import DataError
from lamina.runs.data import Request
from lamina.runs.streamed import prepare_streamed
from lamina.table.stream.sample import MarkKeys

RNG = np.random.default_rng(0)
DAYS = np.datetime64("2020-01-01") + RNG.integers(0, 400, 4000)
FRAME = pl.DataFrame(
    {
        "who": [f"g{k}" for k in RNG.integers(0, 200, 4000)],
        "day": DAYS.astype(str),
        "x": RNG.normal(size=4000),
    }
).with_columns(y=pl.col("x") * 2)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "rows.csv"
    FRAME.write_csv(path)
    return str(path)


def trains(prepared):
    """The rows that train, found as the second pass finds them."""
    streamed = prepared.streamed
    division = streamed.division
    blocks = [
        block.filter(division.keys.of(block) > np.uint64(division.above))
        for block in streamed.blocks.blocks()
    ]
    found = pl.concat(blocks)
    assert len(found) == division.training == prepared.rows["training"]
    return found


def test_groups_are_whole(table, tmp_path):
    with prepare_streamed(Request((table,), "y", group="who", stream=True), tmp_path) as prepared:
        parts = [trains(prepared), prepared.validation.frame, prepared.test.frame]
        assert sum(map(len, parts)) == 4000
        own = [set(part["who"]) for part in parts]
        assert not (own[0] & own[1] or own[0] & own[2] or own[1] & own[2])
        assert set(prepared.train.frame["who"]) <= own[0]
        assert abs(len(parts[1]) - 320) < 40 and abs(len(parts[2]) - 800) < 40
        assert "who" not in [column.name for column in prepared.schema.used]


@pytest.mark.parametrize("gap", [0.0, 10.0])
def test_the_last_rows_are_held_back(table, tmp_path, gap):
    with prepare_streamed(
        Request((table,), "y", time="day", time_gap=gap, stream=True), tmp_path
    ) as prepared:
        parts = [trains(prepared), prepared.validation.frame, prepared.test.frame]
        days = [part["day"].cast(pl.String).str.to_date() for part in parts]
        for earlier, later in pairwise(days):
            assert (later.min() - earlier.max()).days > gap
        left_out = 4000 - sum(map(len, parts))
        assert (left_out > 0) == (gap > 0) and ("left out" in prepared.divided) == (gap > 0)
        assert abs(len(parts[2]) - 800) < 20
        assert prepared.train.frame["day"].cast(pl.String).str.to_date().max() <= days[0].max()


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_keys_fall_where_times_rise(times):
    keys = MarkKeys.of_times(np.array(times))
    np.testing.assert_array_equal(
        np.unique(times, return_inverse=True)[1], np.unique(~keys, return_inverse=True)[1]
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"group": "who", "time": "day"}, "--group and --time together are for tables in memory"),
        ({"time": "who"}, "time: the values, such as 'g.*' in .*, are not all numbers"),
        (
            {"time": "day", "time_gap": 1e4},
            "none is earlier than the next part by more than time_gap=10000",
        ),
        ({"time": "days"}, "--time days: there is no such column. Did you mean 'day'?"),
    ],
)
def test_what_cannot_divide_a_stream(table, tmp_path, asked, message):
    request = Request((table,), "y", stream=True, **asked)
    with pytest.raises(DataError, match=message), prepare_streamed(request, tmp_path):
        pass


def test_one_group_cannot_be_divided(tmp_path):
    FRAME.with_columns(who=pl.lit("a")).write_csv(tmp_path / "rows.csv")
    request = Request((str(tmp_path / "rows.csv"),), "y", stream=True, group="who")
    refused = pytest.raises(DataError, match="there are too few groups for 3 parts")
    with refused, prepare_streamed(request, tmp_path):
        pass
