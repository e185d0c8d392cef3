"""Times as numbers, and which tables look as if their rows were a sequence or of groups."""

import datetime
import decimal
import warnings

import numpy as np
import polars as pl
import pytest
import sklearn.datasets

from lamina.errors import DataError
from lamina.table.columns import as_column
from lamina.table.kinds import infer
from lamina.table.marks import group_codes, in_blocks_of, sorted_by, times_of, warn_if_sequential
from lamina.table.messages import DataWarning, on_command_line

DAYS = [datetime.date(2020, 1, 1) + datetime.timedelta(n) for n in range(240)]
RNG = np.random.default_rng(0)
X = RNG.normal(size=240)


@pytest.mark.parametrize(
    "times",
    [
        DAYS[:9],
        pl.Series("when", DAYS[:9]),
        pl.Series("when", DAYS[:9]).cast(pl.String),
        np.array(DAYS[:9], "M8[s]"),
        pl.Series("when", DAYS[:9]).cast(pl.Datetime("ns")).to_pandas(),
    ],
)
def test_dates_of_any_library_are_days(times):
    assert np.diff(times_of(as_column(times))).tolist() == [1.0] * 8


@pytest.mark.parametrize("make", ["person {} from the town {}", "{}, {}.5", "https://a.com/{}/{}"])
def test_values_of_several_numbers_are_no_times(make):
    texts = [make.format(i, i % 5) for i in range(240)]
    with pytest.raises(DataError, match="are not all numbers or all dates"):
        times_of(as_column(pl.Series("when", texts)))


@pytest.mark.filterwarnings("ignore:column 'when' holds numbers in 80 %")
@pytest.mark.parametrize(
    ("values", "where"),
    [
        (["2024-01-01", "2024-01-02", "soon", "2024-01-04", "later"], "such as 'soon' in row 2"),
        (["1", "2", "3.5", "four", "5"], "such as 'four' in row 3"),
        (["soon", "later", "sooner"], "such as 'soon' in row 0"),
    ],
)
def test_the_first_value_that_is_no_time_is_named(values, where):
    with pytest.raises(DataError, match=where):
        times_of(as_column(pl.Series("when", values)))


def test_groups_of_decimals_with_many_digits_stay_apart():
    ids = [9_000_000_000_000_000_000 + i for i in range(4)]
    for values in (ids, [*map(decimal.Decimal, ids)], [*map(str, ids)]):
        assert group_codes(as_column(values)).tolist() == [0, 1, 2, 3]


def test_groups_are_values_names_in_order():
    codes = [[1, 0, 2, 0], [1, 0, 2, 0], [1, 0, 2, 0]]
    values = [["b", "a", "c", "a"], [2, 1, 10, 1], pl.Series(["b", "a", "c", "a"], dtype=pl.Categorical)]
    codes[1] = [2, 0, 1, 0]  # "10" comes before "2"
    assert [group_codes(as_column(one)).tolist() for one in values] == codes


def table(**columns):
    return pl.DataFrame({**columns, "x": X})


def looks(frame):
    schema = infer(frame)
    return sorted_by(schema, frame), in_blocks_of(schema, frame)


NAMES = [f"person {n:02}" for n in range(24)]
ATTRIBUTE = np.repeat(RNG.integers(0, 3, 24), 10)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"day": DAYS}, ("day", None)),
        ({"day": DAYS[::-1]}, ("day", None)),
        ({"day": np.array(DAYS, str).tolist()}, ("day", None)),
        ({"year": np.repeat(np.arange(2000, 2012), 20)}, ("year", None)),
        ({"who": np.repeat(NAMES, 10)}, (None, "who")),
        (
            {"who": np.repeat(RNG.permutation(24), 10)},
            (None, "who"),
        ),  # not in order, so nothing was sorted by it
        ({"person_id": np.repeat(np.arange(24), 10)}, (None, "person_id")),
        ({"who": np.repeat(np.arange(24), 10), "kind": ATTRIBUTE}, (None, "who")),
        ({"who": np.repeat(np.arange(12), 20), "visit": np.tile(np.arange(20), 12)}, (None, "who")),
        ({"day": RNG.permutation(DAYS).tolist()}, (None, None)),
        ({"who": RNG.permutation(np.repeat(NAMES, 10))}, (None, None)),
        ({"age": np.repeat(np.arange(24), 10)}, (None, None)),  # a table that was sorted by what it measures
        ({"age": np.repeat(np.arange(24), 10), "grown": np.repeat(np.arange(24) > 18, 10)}, (None, None)),
        ({"color": np.repeat(["blue", "green", "red"], 80)}, (None, None)),
        ({"number": np.arange(240)}, (None, None)),
    ],
)
def test_which_tables_look_as_if_rows_belong_together(columns, found):
    assert looks(table(**columns)) == found


def test_ordinary_tables_do_not():
    for name in ("iris", "wine", "breast_cancer", "diabetes", "digits"):
        bunch = getattr(sklearn.datasets, f"load_{name}")(as_frame=True)
        data = bunch.data
        frame = pl.DataFrame({column: data[column].to_numpy() for column in data.columns})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # of pixels that are always 0
            assert looks(frame) == (None, None), name


def test_the_warning_names_the_option_that_mends_it():
    frame = table(day=DAYS)
    with (
        on_command_line(),
        pytest.warns(DataWarning, match="sorted by 'day' .* --time day holds out the last rows"),
    ):
        warn_if_sequential(infer(frame), frame)
    frame = table(who=np.repeat(NAMES, 10))
    with (
        on_command_line(),
        pytest.warns(DataWarning, match="the same 'who' are adjacent.* --group who keeps"),
    ):
        warn_if_sequential(infer(frame), frame)
    warn_if_sequential(infer(frame[:50]), frame[:50])  # too few to say
