"""Rows that the compiled prediction encodes have the bits of those that NumPy encodes, whatever the table's type."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from lamina import MLPClassifier, MLPRegressor
from lamina.errors import DataError
from lamina.estimators.fitted import outputs_of
from lamina.table.encode import Coded, Encoded, TableEncoder
from lamina.table.kinds import infer

ROWS = 300  # more than a block


@pytest.fixture(scope="module")
def numbers():
    X = np.random.default_rng(0).normal(size=(ROWS, 4)) * [1, 1e3, 1e-3, 1]
    X[::7, 2] = np.nan
    return X


@pytest.fixture(scope="module")
def of_numbers(numbers):
    return MLPRegressor(preset="fast", max_iter=2, random_state=0).fit(numbers, np.nan_to_num(numbers).sum(1))


@pytest.fixture(scope="module")
def mixed(numbers):
    rng = np.random.default_rng(1)
    texts = {f"text{i}": rng.choice([f"value {j}" for j in range(3 + 9 * i)], ROWS) for i in range(2)}
    columns = {name: numbers[:, i] for i, name in enumerate("abcd")}
    return pd.DataFrame({**columns, **texts, "whole": rng.integers(0, 9, ROWS)})


@pytest.fixture(scope="module")
def of_mixed(mixed):
    return MLPClassifier(preset="fast", max_iter=2, random_state=0).fit(mixed, np.arange(ROWS) % 2)


def by_numpy(fitted, table):
    encoded = fitted.encode(table)
    return outputs_of(fitted.network, encoded_data(encoded))


def encoded_data(encoded):
    from lamina.estimators.data import Data

    return Data(encoded.numeric, encoded.codes, np.empty(0, np.float32))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, ">f8", np.float16, np.int64, np.int8])
@pytest.mark.parametrize("rows", [0, 1, 3, ROWS])
def test_arrays(numbers, of_numbers, dtype, rows):
    table = (np.nan_to_num(numbers) if np.dtype(dtype).kind == "i" else numbers)[:rows].astype(dtype)
    fitted = of_numbers.fitted_
    assert isinstance(fitted.encoder.coded(table), Coded)
    np.testing.assert_array_equal(fitted.of_table(table), by_numpy(fitted, table))


@pytest.mark.parametrize("library", [pd.DataFrame, pl.from_pandas])
@pytest.mark.parametrize("rows", [0, 1, 3, 250])
def test_frames_of_few_rows(mixed, of_mixed, library, rows):
    fitted, table = of_mixed.fitted_, library(mixed[:rows])
    assert isinstance(fitted.encoder.coded(table), Coded)
    np.testing.assert_array_equal(fitted.of_table(table), by_numpy(fitted, table))


def test_many_rows_with_texts_and_columns_of_two_precisions_are_encoded_by_numpy(mixed, of_mixed):
    fitted = of_mixed.fitted_
    for table in (mixed, mixed[:2].astype({"a": "float32"})):
        assert isinstance(fitted.encoder.coded(table), Encoded)
        np.testing.assert_array_equal(fitted.of_table(table), by_numpy(fitted, table))


def test_values_that_training_did_not_have_are_told_once(mixed, of_mixed):
    for types in ({}, {"a": "float32"}):
        table = mixed[:2].astype(types)
        table.loc[1, "text1"] = "unseen"
        with pytest.warns(
            UserWarning, match=r"'text1' has 1 value that training did not have.*in row 1"
        ) as told:
            of_mixed.predict(table)
        assert len(told) == 1


def test_an_infinite_number_is_named(numbers, of_numbers):
    table = numbers[:3].copy()
    table[2, 1] = -np.inf
    with pytest.raises(DataError, match=r"'x1' has an infinite value, -inf, in row 2"):
        of_numbers.predict(table)


def test_another_training_of_the_same_estimator_has_its_own_encoding(numbers):
    model, y = MLPRegressor(preset="fast", max_iter=2, random_state=0), np.nan_to_num(numbers).sum(1)
    for table in (numbers, 5 * numbers + 1):
        fitted = model.fit(table, y).fitted_
        np.testing.assert_array_equal(fitted.of_table(table[:1]), by_numpy(fitted, table[:1]))


def test_parameters_that_change_in_place_count(numbers, of_numbers):
    network = of_numbers.fitted_.network
    first = of_numbers.predict(numbers[:1])
    network.scale_outputs(0.5)
    changed = of_numbers.predict(numbers[:1])
    network.scale_outputs(2.0)
    assert changed != first
    np.testing.assert_array_equal(of_numbers.predict(numbers[:1]), first)


@pytest.mark.parametrize(
    "target", [lambda i: i % 2, lambda i: i % 3, lambda i: np.stack([i % 2, i % 3 == 1], 1)]
)
def test_probabilities_of_one_row(mixed, target):
    model = MLPClassifier(preset="fast", max_iter=2, random_state=0).fit(mixed, target(np.arange(ROWS)))
    fitted = model.fitted_
    for i in range(20):
        row = mixed[i : i + 1]
        expected = fitted.target.probabilities(by_numpy(fitted, row))
        np.testing.assert_array_equal(model.predict_proba(row), expected)


def test_outputs_of_one_row_beyond_float32_are_an_error(numbers):
    model = MLPClassifier(preset="fast", max_iter=2, random_state=0).fit(numbers, np.arange(ROWS) % 2)
    model.predict_proba(numbers[:1])
    model.fitted_.network.map_outputs(np.eye(2) * 3e38, np.full(2, 3e38))
    with pytest.raises(DataError, match="row 0 of X has such large values"):
        model.predict_proba(numbers[:1])


def _many_kinds():
    rng = np.random.default_rng(2)
    columns = {
        "float": rng.normal(size=ROWS),
        "gaps": np.where(rng.random(ROWS) < 0.3, np.nan, rng.normal(size=ROWS)),
        "whole": rng.integers(-(2**60), 2**60, ROWS),
        "text": rng.choice([*"abc"], ROWS),
        "many": rng.choice([f"value {i}" for i in range(20)], ROWS),
        "text or null": [None if i % 4 == 0 else "xyz"[i % 3] for i in range(ROWS)],
        "nan": [None if i % 4 == 0 else ("nan", "None")[i % 2] for i in range(ROWS)],
        "flag": rng.random(ROWS) < 0.5,
        "truth": rng.choice(["TRUE", "false"], ROWS),
        "same": ["constant"] * ROWS,
        "code": rng.choice([*"12"], ROWS),
    }
    return pl.DataFrame(columns, nan_to_null=True)


KINDS = {
    "polars": (lambda frame: frame, True),
    "pandas": (pl.DataFrame.to_pandas, True),
    "arrow": (pl.DataFrame.to_arrow, True),
    "narrow in arrow": (lambda frame: frame.with_columns(pl.col("float").cast(pl.Float32)).to_arrow(), False),
    "categories in arrow": (
        lambda frame: frame.with_columns(pl.col("text").cast(pl.Categorical)).to_arrow(),
        True,
    ),
    "categories": (lambda frame: frame.with_columns(pl.col("text", "many").cast(pl.Categorical)), True),
    "categories in pandas": (lambda frame: frame.to_pandas().astype({"text": "category"}), True),
    "whole numbers as codes": (lambda frame: frame.with_columns(pl.col("code").cast(pl.Int64)), True),
    "objects": (lambda frame: frame.to_pandas().astype(object), False),
    "narrow": (lambda frame: frame.with_columns(pl.col("float").cast(pl.Float32)), False),
    "bytes": (lambda frame: frame.with_columns(pl.lit(3, pl.UInt8).alias("whole")), False),
    "nullable": (lambda frame: frame.to_pandas().convert_dtypes(), None),
    "in another order": (lambda frame: frame.select(reversed(frame.columns)), False),
    "more columns": (lambda frame: frame.with_columns(more=1), False),
    "no numbers": (lambda frame: frame.with_columns(pl.lit("0.5").alias("float")), False),
}


@pytest.mark.filterwarnings("ignore:ignored 1 column", "ignore:left out 1 column")
@pytest.mark.parametrize(("convert", "is_quick"), KINDS.values(), ids=KINDS)
def test_a_row_of_a_frame_alone_is_coded_as_in_any_other_way(monkeypatch, convert, is_quick):
    frame = _many_kinds()
    encoder = TableEncoder(infer(frame, kinds={"code": "categorical"})).fit(frame)
    whole = convert(frame)
    for i in range(12):
        row = whole[i : i + 1]
        with monkeypatch.context() as without:
            without.setattr("lamina.table.encode.cells_of_row", lambda *_: None)
            expected = encoder.coded(row)
        with monkeypatch.context() as only:
            if is_quick:
                only.setattr("lamina.table.encode.check", None)
            found = encoder.coded(row)
        assert type(found) is type(expected)
        for name, values in vars(expected).items():
            np.testing.assert_array_equal(getattr(found, name), values)
            assert getattr(found, name).dtype == values.dtype
        assert is_quick is not False or encoder._coded_row(row) is None


@pytest.mark.parametrize("library", [pd.DataFrame, pl.from_pandas])
@pytest.mark.parametrize(("column", "value"), [("text1", "unseen"), ("a", np.inf)])
def test_a_row_with_something_to_say_says_it(mixed, of_mixed, library, column, value):
    row = mixed[:1].copy()
    row[column] = [value]
    with pytest.warns(UserWarning, match=f"'{column}' has .*{value}"):
        of_mixed.predict(library(row))


def test_classes_and_probabilities_of_a_row_are_of_one_compiled_function(mixed):
    model = MLPClassifier(preset="fast", max_iter=2, random_state=0).fit(mixed, np.arange(ROWS) % 3)
    model.predict(mixed[:1])
    compiled = dict(model.fitted_.network.compiled)
    model.predict_proba(mixed[:1])
    assert model.fitted_.network.compiled == compiled


@pytest.mark.parametrize("dtype", [float, int, bool])
def test_lists_are_the_arrays_that_scikit_learn_makes_of_them(monkeypatch, of_numbers, dtype):
    table = np.random.default_rng(0).normal(size=(3, 4)).round(1).astype(dtype).tolist()
    found = of_numbers.predict(table)
    monkeypatch.setattr("lamina.estimators.inputs._numbers_in", lambda X: X)
    np.testing.assert_array_equal(found, of_numbers.predict(table))
