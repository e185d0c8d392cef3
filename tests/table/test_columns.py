"""Every kind of table gives the same names, numbers, counts and mapped values."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from lamina.errors import DataError
from lamina.table.columns import as_column, is_missing, value_name
from lamina.table.dates import DateForm
from lamina.table.distinct import distinct_values
from lamina.table.tables import as_table

CONTENT = {
    "number": [1.5, None, 3.0],
    "whole": [1, 2, 1],
    "truth": [True, None, False],
    "text": ["a", None, "b"],
    "empty": [None, None, None],
}
STORAGES = {"number": "number", "whole": "number", "truth": "boolean", "text": "text", "empty": "empty"}


def frames():
    polars = pl.DataFrame(CONTENT)
    return {
        "polars": polars,
        "pyarrow": polars.to_arrow(),
        "pandas": pd.DataFrame(CONTENT),
        "pandas objects": pd.DataFrame(CONTENT, dtype=object),
        "pandas nullable": pd.DataFrame(CONTENT).convert_dtypes(),
        "pandas pyarrow": polars.to_pandas(use_pyarrow_extension_array=True),
        "NumPy objects": np.array(list(zip(*CONTENT.values(), strict=True)), object),
    }


@pytest.mark.parametrize("library", frames())
@pytest.mark.parametrize("name", CONTENT)
def test_a_column_is_the_same_in_every_library(library, name):
    table = as_table(frames()[library])
    column = table.column(table.names[list(CONTENT).index(name)])
    values = [value for value in CONTENT[name] if value is not None]
    assert (len(column), column.missing()) == (3, 3 - len(values))
    if library == "pandas nullable" and name == "empty":
        assert column.storage in ("empty", "number")  # pandas itself makes integers of it
        return
    assert column.storage == STORAGES[name]
    assert {value_name(v): n for v, n in column.value_counts()} == {
        value_name(v): values.count(v) for v in values
    }
    mapped = column.mapped(lambda value: -1 if is_missing(value) else len(value_name(value)), np.int32)
    assert mapped.tolist() == [-1 if v is None else len(value_name(v)) for v in CONTENT[name]]
    if STORAGES[name] in ("number", "boolean"):
        expected = np.array([np.nan if v is None else float(v) for v in CONTENT[name]])
        np.testing.assert_array_equal(column.numbers().astype(float), expected)


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["a", "b"])])
def test_categorical_types_are_marked(dtype):
    column = as_column(pl.Series("c", ["b", None, "a"], dtype=dtype))
    assert column.categorical and column.storage == "text"
    assert dict(column.value_counts()) == {"a": 1, "b": 1}
    assert as_column(pd.Series([2, 1, None], dtype="category")).categorical


@pytest.mark.parametrize(
    ("values", "storage"),
    [
        ([datetime.date(2024, 1, 2), None], "date"),
        ([datetime.timedelta(days=1), None], "duration"),
        ([Decimal("1.5"), 2], "number"),
        ([1, "a"], "mixed"),
        ([{"a": 1}, None], "text"),
        ([{"a": 1}, "a"], "text"),
        ([b"\xff", None], "other"),
        ([object(), None], "other"),
    ],
)
def test_storage_of_python_objects(values, storage):
    assert as_column(pd.Series(values, dtype=object)).storage == storage
    assert as_column(values).storage == storage


def test_typed_dates_and_nested_values():
    frame = pl.DataFrame({"d": [datetime.date(2024, 1, 2)], "t": [datetime.timedelta(1)], "l": [[1, 2]]})
    assert [as_table(frame).column(name).storage for name in "dtl"] == ["date", "duration", "text"]


def test_sparse_and_dense_arrays_agree():
    dense = np.array([[0.0, 1.5], [2.0, 0.0], [0.0, 0.0]])
    for make in (sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        table = as_table(make(dense))
        assert table.names == ("x0", "x1") and not table.named and table.rows == 3
        np.testing.assert_array_equal(np.stack([table.column(n).numbers() for n in table.names], 1), dense)


def test_an_array_is_not_copied():
    array = np.zeros((3, 2), np.float32)
    assert as_table(array).matrix is array
    assert np.shares_memory(as_table(array).column("x1").numbers(), array)


def test_integer_column_labels_are_positions():
    table = as_table(pd.DataFrame({0: [1], 1: [2]}))
    assert table.names == ("x0", "x1") and not table.named


def test_the_first_row_of_a_value_whatever_type_the_library_gives_it():
    for data in (pd.Series([1, 2, 3]), pl.Series([1, 2, 3]), [1, 2, 3], pd.Series([1.0, 2.0, 3.0])):
        column = as_column(data)
        for value, _ in column.value_counts():
            assert column.row_of(value) == int(value) - 1
    assert as_column([1, "1", None]).row_of("1") == 1
    assert as_column(["a", None]).first_missing() == 1


def test_the_first_row_with_a_property_and_its_value():
    values = ["a", None, "7", "b", "8", "b"] * 50
    for data in (values, pd.Series(values), pd.Series(values, dtype="category"), pl.Series(values)):
        column = as_column(data)
        assert column.first_where(lambda value: str(value) > "a") == (3, "b")
        assert column.first_where(lambda value: str(value).isdigit()) == (2, "7")
        assert column.first_where(lambda value: value == "c") is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros(3), "Expected 2D array, got 1D"),
        (np.zeros((2, 2), complex), "Complex data not supported"),
        (sparse.csr_array(np.zeros((2, 2), complex)), "Complex data not supported"),
        (pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]), "repeated: 'a'"),
        (pl.LazyFrame({"a": [1]}), "collect"),
    ],
)
def test_what_is_not_a_table(data, message):
    with pytest.raises(DataError, match=message):
        as_table(data)


def test_narwhals_is_asked_for_by_its_extra(monkeypatch):
    from lamina.errors import MissingPackageError

    monkeypatch.setitem(__import__("sys").modules, "narwhals", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'lamina\[table\]'"):
        as_table(pd.DataFrame({"a": [1]}))
    assert as_table(np.ones((1, 1))).rows == 1


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"])
def test_days_of_iso_dates_are_those_that_are_parsed_one_by_one(form):
    begin = datetime.datetime(1000, 1, 1)
    moments = [begin + datetime.timedelta(days=97 * i, seconds=8641 * i) for i in range(7000)]
    texts = [moment.strftime(form) for moment in moments]
    column = as_column(pl.Series([*texts, None]))
    found = column.iso_days()
    np.testing.assert_array_equal(found[:-1], DateForm().days(texts))
    assert np.isnan(found[-1])


@pytest.mark.parametrize(
    "odd", ["2023-02-29", "2023-1-02", "0000-00-00", "2023-01-02 10:00", "02.01.2023", "?", ""]
)
def test_texts_that_are_not_all_iso_dates(odd):
    assert as_column(pl.Series(["2024-02-29", odd])).iso_days() is None
    assert as_column(pl.Series([odd, "2024-02-29"])).iso_days() is None


@pytest.mark.parametrize("odd", ["2023-01-02 24:00:00", "2023-01-02 10:00:60", "2023-01-02T10:00:00"])
def test_texts_that_are_not_all_iso_dates_with_times(odd):
    assert as_column(pl.Series(["2024-02-29 10:00:00", odd])).iso_days() is None


@pytest.mark.parametrize(
    "values",
    [
        [3, None, 1, 3, 2] * 20,
        ["b", "a", None, "b"] * 20,
        [0.5, float("nan"), -0.0, 0.0] * 20,
        pd.Categorical(["x", None, "y"] * 20, ["z", "y", "x"]),
        pd.to_datetime(["2020-01-02", None, "2019-01-01"] * 20),
    ],
)
def test_a_pandas_column_is_factorized_once(values, monkeypatch):
    calls, real = list[int](), pd.Series.factorize
    monkeypatch.setattr(pd.Series, "factorize", lambda self: calls.append(1) or real(self))
    series = pd.Series(values)
    column = as_table(pd.DataFrame({"x": series})).column("x")
    counts = series.dropna().value_counts()
    found, positions = distinct_values(column)
    cells = [None if is_missing(cell) else cell for cell in series.tolist()]
    assert [found[i] for i in positions] == cells
    assert column.distinct() == np.count_nonzero(counts) + series.isna().any()
    assert dict(column.value_counts()) == {k: n for k, n in counts.items() if not is_missing(k)}
    assert column.mapped(lambda cell: float(cell is None), np.float64).sum() == sum(x is None for x in cells)
    assert len(calls) == 1
