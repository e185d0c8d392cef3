"""Encoded tables against a direct computation of RealMLP's formulas, and the encoder's other promises."""

import datetime
import itertools
import json
import sys
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from lamina.errors import DataError
from lamina.table import encode as encode_module
from lamina.table.encode import SparseNumbers, TableEncoder
from lamina.table.kinds import infer
from lamina.table.messages import DataWarning
from lamina.table.tables import as_table

FRAME = pl.DataFrame(
    {
        "age": [39, 50, 38, 53, 28, None],
        "sex": ["M", "F", None, "M", "M", "F"],
        "color": ["red", "blue", "green", None, "red", "red"],
        "city": list("abcdef"),
        "member": [True, None, False, True, True, True],
        "wage": [1.5, -2.0, 1e9, 0.0, 3.0, 4.0],
    }
)


def reference(raw):
    """RealMLP's scaling of a matrix of raw columns, NaN where a number is missing."""
    median = np.nanmedian(raw, axis=0)
    spread = np.nanquantile(raw, 0.75, axis=0) - np.nanquantile(raw, 0.25, axis=0)
    spread = np.where(spread == 0, 0.5 * (np.nanmax(raw, axis=0) - np.nanmin(raw, axis=0)), spread)
    x = np.nan_to_num((raw - median) / spread, nan=0.0)
    return x / np.sqrt(1 + (x / 3) ** 2)


def encode(frame, **options):
    encoder = TableEncoder(infer(frame), **options)
    return encoder, encoder.fit(frame).transform(frame)


def test_the_layout_and_values():
    encoder, encoded = encode(FRAME, max_one_hot=4)
    assert encoder.numeric_names == (
        "age", "wage", "age missing", "sex=M", "color=blue", "color=green", "color=red", "member=true"
    )  # fmt: skip
    assert encoder.n_numbers == 2 and encoder.code_names == ("city",) and encoder.cardinalities == (7,)
    raw = np.array(
        [
            [39, 1.5, 0, +1, 0, 0, 1, +1],
            [50, -2.0, 0, -1, 1, 0, 0, 0],
            [38, 1e9, 0, 0, 0, 1, 0, -1],
            [53, 0.0, 0, +1, 0, 0, 0, +1],
            [28, 3.0, 0, +1, 0, 0, 1, +1],
            [np.nan, 4.0, 1, -1, 0, 0, 1, +1],
        ]
    )
    np.testing.assert_allclose(encoded.numeric, reference(raw), rtol=1e-5, atol=1e-6)
    assert encoded.codes.tolist() == [[1], [2], [3], [4], [5], [6]]
    assert encoded.numeric.dtype == np.float32 and encoded.codes.dtype == np.int32
    assert encoded.numeric.flags.c_contiguous and encoded.codes.flags.c_contiguous


@pytest.mark.parametrize("make", [pl.DataFrame.to_pandas, pl.DataFrame.to_arrow])
def test_every_library_encodes_alike(make):
    expected = encode(FRAME)[1]
    encoded = encode(make(FRAME))[1]
    np.testing.assert_array_equal(encoded.numeric, expected.numeric)
    np.testing.assert_array_equal(encoded.codes, expected.codes)


def test_unknown_and_missing_categories():
    encoder = TableEncoder(infer(FRAME), max_one_hot=4).fit(FRAME)
    row = {"age": [1], "sex": ["?"], "color": ["pink"], "city": ["zzz"], "member": [None], "wage": [1.0]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        unknown = encoder.transform(pl.DataFrame(row))
    [told] = [str(warning.message) for warning in caught]
    for name, value in zip(("sex", "color", "city"), ("?", "pink", "zzz"), strict=True):
        assert f"'{name}' ('{value}' in row 0" in told
    missing = encoder.transform(pl.DataFrame(row | {"sex": [None], "color": [None], "city": [None]}))
    np.testing.assert_array_equal(unknown.numeric, missing.numeric)
    assert unknown.codes.tolist() == missing.codes.tolist() == [[0]]


@pytest.mark.parametrize("categories", [1, 2, 3, 8, 9])
def test_how_many_columns_categories_take(categories):
    frame = pl.DataFrame({"c": [f"v{i}" for i in range(categories)] + [None]})
    encoder, encoded = encode(frame)
    assert encoded.numeric.shape[1] == {1: 1, 2: 1, 3: 3, 8: 8, 9: 0}[categories]
    assert encoded.codes.shape[1] == (categories == 9) and encoder.n_numbers == 0


def test_parts_can_be_switched_off():
    encoder, plain = encode(FRAME, robust_scale=False, smooth_clip=False, missing_indicator=False)
    assert "age missing" not in encoder.numeric_names
    assert plain.numeric[:, 0].tolist() == [39, 50, 38, 53, 28, 39]  # the missing one is the median
    assert plain.numeric[:, 2].tolist() == [1, -1, 0, 1, 1, -1]
    scaled = encode(FRAME, smooth_clip=False)[1].numeric
    clipped = encode(FRAME)[1].numeric
    np.testing.assert_allclose(clipped, scaled / np.sqrt(1 + (scaled / 3) ** 2), rtol=1e-4, atol=1e-7)


@pytest.mark.slow
@given(st.integers(0, 2**31), st.sampled_from(["f4", "f8", "i4", "i8", "u1", "?"]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_arrays_frames_and_sparse_matrices_agree(seed, dtype, gaps):
    rng = np.random.default_rng(seed)
    array = (rng.normal(size=(rng.integers(2, 40), rng.integers(1, 6))) * 3).astype(dtype)
    if gaps and array.dtype.kind == "f":
        array[rng.random(array.shape) < 0.2] = np.nan
    encoder, encoded = encode(array)
    assert encoder.n_numbers == array.shape[1]
    per_column = encode(array.astype(object))[1] if dtype != "?" else encoded
    np.testing.assert_allclose(encoded.numeric, per_column.numeric, rtol=2e-5, atol=2e-6)
    if array.dtype.kind != "b":
        sparse_encoded = encode(sparse.csr_array(array))[1]
        np.testing.assert_allclose(encoded.numeric, sparse_encoded.numeric, rtol=2e-5, atol=2e-6)
    frame = pd.DataFrame(array)
    with_names = encoder.transform(frame)
    np.testing.assert_allclose(encoded.numeric, with_names.numeric, rtol=2e-5, atol=2e-6)


def test_arrays_against_the_formula():
    array = np.random.default_rng(0).normal(size=(1000, 5)) * [1, 1e-8, 1e8, 3, 1] + [0, 0, 1e9, 0, 5]
    np.testing.assert_allclose(encode(array)[1].numeric, reference(array), rtol=1e-5, atol=1e-6)


def test_constant_and_empty_array_columns_become_zeros():
    array = np.array([[1.0, 7.0, np.nan], [2.0, 7.0, np.nan], [3.0, 7.0, np.nan]])
    encoder, encoded = encode(array, missing_indicator=False)
    assert not encoded.numeric[:, 1:].any()
    assert encoder.transform(np.array([[1.0, 99.0, 5.0]])).numeric[0, 1:].tolist() == [0, 0]


def test_a_float32_array_passes_through_where_nothing_is_to_be_done():
    array = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    plain = {"robust_scale": False, "smooth_clip": False}
    encoder, encoded = encode(array, **plain)
    assert encoded.numeric is array and encoded.codes.shape == (20, 0)
    np.testing.assert_array_equal(encoder.transform(array[:, ::-1]).numeric, array[:, ::-1])
    np.testing.assert_array_equal(encoder.transform(array.astype(float)).numeric, array)
    array[3, 1] = np.nan
    assert np.isfinite(encoder.transform(array).numeric).all() and np.isnan(array[3, 1])


def test_large_offsets_keep_their_precision():
    seconds = 1.7e9 + np.arange(1000)
    encoded = encode(pl.DataFrame({"t": seconds}))[1].numeric[:, 0]
    assert len(np.unique(encoded)) == 1000


def test_extreme_numbers_stay_finite():
    for array in (np.array([[1e308], [-1e308], [0], [1]]), np.array([[1e-40], [2e-40], [3e-40]], np.float32)):
        encoder, encoded = encode(array)
        assert np.isfinite(encoded.numeric).all()
        largest = np.full((1, 1), np.finfo(array.dtype).max, array.dtype)
        assert np.isfinite(encoder.transform(largest).numeric).all()


def test_a_number_beyond_float32_is_named_where_nothing_clips():
    array = np.arange(10.0).reshape(5, 2)
    encoder = TableEncoder(infer(array), robust_scale=False, smooth_clip=False).fit(array)
    array[3, 1] = -1e39
    with pytest.raises(DataError, match=r"'x1' has the value -1e\+39 in row 3 .*beyond the range of float32"):
        encoder.transform(array)
    array[3, 1] = -3e38
    assert encoder.transform(array).numeric[3, 1] == np.float32(-3e38)


def test_an_infinite_number_at_prediction_is_missing_in_a_frame_and_refused_in_an_array():
    encoder = TableEncoder(infer(FRAME)).fit(FRAME)
    bad = FRAME.with_columns(wage=pl.Series([1.0, 2.0, 3.0, float("-inf"), 5.0, 6.0]))
    with pytest.warns(DataWarning, match="'wage' has infinite values, such as -inf in row 3 .* missing"):
        found = encoder.transform(bad)
    missing = encoder.transform(bad.with_columns(wage=pl.Series([1.0, 2.0, 3.0, None, 5.0, 6.0])))
    np.testing.assert_array_equal(found.numeric, missing.numeric)
    array = np.ones((5, 3)) * np.arange(5)[:, None]
    encoder = TableEncoder(infer(array)).fit(array)
    array[4, 2] = np.inf
    with pytest.raises(DataError, match="'x2' has an infinite value, inf, in row 4"):
        encoder.transform(array)


def test_state_survives_json_and_arrays():
    encoder = TableEncoder(infer(FRAME), max_one_hot=4, smooth_clip=False).fit(FRAME)
    settings, arrays = encoder.state()
    again = TableEncoder.from_state(
        json.loads(json.dumps(settings)), {k: v.copy() for k, v in arrays.items()}
    )
    np.testing.assert_array_equal(again.transform(FRAME).numeric, encoder.transform(FRAME).numeric)
    np.testing.assert_array_equal(again.transform(FRAME).codes, encoder.transform(FRAME).codes)
    with pytest.raises(DataError, match="version 7"):
        TableEncoder.from_state({**settings, "version": 7}, arrays)
    with pytest.raises(DataError, match="not the state"):
        TableEncoder.from_state(settings, {**arrays, "center": np.zeros(99)})
    with pytest.raises(DataError, match="not the state"):
        TableEncoder.from_state(settings, {})


def test_fitting_and_encoding_at_once():
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(days=40 * i) for i in range(300)]
    frame = pl.DataFrame({"day": list(map(str, days)), "n": range(300), "x": [None, *np.linspace(0, 1, 299)]})
    frame = frame.with_columns((pl.col("n") * k).cast(pl.Float64).alias(f"x{k}") for k in range(1, 40))
    rows, schema = np.arange(0, 300, 3), infer(frame)
    encoder = TableEncoder(schema)
    encoded = encoder.fit_transform(frame, rows)
    other = TableEncoder(schema).fit(frame, rows)
    np.testing.assert_array_equal(encoded.numeric, other.transform(frame).numeric)
    np.testing.assert_array_equal(encoder.state()[1]["center"], other.state()[1]["center"])
    one_by_one = [other.transform(frame[i : i + 1]).numeric for i in range(300)]
    np.testing.assert_array_equal(encoded.numeric, np.concatenate(one_by_one))


def test_it_is_fitted_first_and_to_rows():
    encoder = TableEncoder(infer(FRAME))
    with pytest.raises(DataError, match="not fitted"):
        encoder.transform(FRAME)
    with pytest.raises(DataError, match="no rows"):
        encoder.fit(FRAME.head(0))
    empty = encoder.fit(FRAME).transform(FRAME.head(0))
    assert empty.numeric.shape == (0, len(encoder.numeric_names)) and empty.codes.shape[0] == 0


@pytest.mark.slow
def test_a_hundred_thousand_categories():
    frame = pl.DataFrame({"c": [f"c{i % 100_000}" for i in range(200_000)]})
    encoder, encoded = encode(frame)
    assert encoder.cardinalities == (100_001,)
    assert len(np.unique(encoded.codes)) == 100_000 and encoded.codes.min() == 1


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_memory_beside_the_result_is_small(dtype):
    array = np.random.default_rng(0).integers(0, 200, (200_000, 40)).astype(dtype)
    encoder = TableEncoder(infer(array)).fit(array)
    for data in (array, pl.DataFrame(array)):
        tracemalloc.start()
        encoded = encoder.transform(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < encoded.numeric.nbytes + 25e6


@pytest.mark.slow
def test_thousands_of_columns():
    frame = pl.DataFrame(np.random.default_rng(0).normal(size=(50, 3000)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert encode(frame)[1].numeric.shape == (50, 3000)


def test_a_sparse_table_of_which_some_columns_are_not_clipped_has_the_bits_of_a_dense_one(monkeypatch):
    table = sparse.random(60, 12, 0.2, format="csr", random_state=0)
    encoder = TableEncoder(infer(table), unclipped=("x3", "x7")).fit(table)
    dense = encoder.transform(table).numeric
    monkeypatch.setattr(encode_module, "_STAYS_SPARSE", 0)
    found = encoder.transform(table).numeric
    assert isinstance(found, SparseNumbers)
    np.testing.assert_array_equal(found[np.arange(60)], dense)


NUMBERS = {
    "of one type": pl.DataFrame({"a": [0.5, 2.0, -1.0], "b": [3.0, 1.0, 7.5]}),
    "float32": pl.DataFrame(
        {"a": [0.5, 2.0, -1.0], "b": [3.0, 1.0, 7.5]}, schema_overrides={"a": pl.Float32, "b": pl.Float32}
    ),
    "of several types": pl.DataFrame({"a": [0.5, 2.0, -1.0], "b": [3, 100, 7], "c": [0.1, 0.2, 0.4]}),
    "small integers among floats": pl.DataFrame(
        {"a": [0.5, 2.0, -1.0], "b": [3, 100, 7], "c": [0.1, 0.2, 0.4]}, schema_overrides={"b": pl.Int8}
    ),
    "with gaps": pl.DataFrame({"a": [None, 2.0, -1.0], "b": [3.0, None, 7.5]}),
}


@pytest.mark.parametrize("frame", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("convert", [pl.DataFrame.clone, pl.DataFrame.to_pandas, pl.DataFrame.to_arrow])
def test_a_row_alone_has_the_bits_that_it_has_among_others(frame, convert):
    encoder = TableEncoder(infer(frame)).fit(frame)
    whole = encoder.transform(frame).numeric
    for i in range(len(frame)):
        np.testing.assert_array_equal(encoder.transform(convert(frame[i : i + 1])).numeric, whole[i : i + 1])


@pytest.mark.parametrize("convert", [pl.DataFrame.clone, pl.DataFrame.to_pandas])
def test_an_infinite_number_of_a_row_alone_is_missing_and_named(convert):
    frame = NUMBERS["of one type"]
    encoder = TableEncoder(infer(frame)).fit(frame)
    row = pl.DataFrame({"a": [np.inf], "b": [3.0]})
    with pytest.warns(DataWarning, match="column 'a' has infinite values, such as inf in row 0"):
        found = encoder.transform(convert(row)).numeric
    np.testing.assert_array_equal(found, [[0.0, encoder.transform(frame).numeric[0, 1]]])


def many_types(rows):
    """A frame with several columns of each of many types, and gaps in some."""
    rng = np.random.default_rng(0)
    columns = {"text": rng.choice(["a", "b", "c"], rows), "truth": rng.choice([True, False], rows)}
    for kind in (pl.Int8, pl.UInt8, pl.Int32, pl.Int64, pl.UInt64, pl.Float32, pl.Float64):
        for i in range(3):
            values = pl.Series(rng.integers(0, 100, rows) * (1.37 if kind.is_float() else 1)).cast(kind)
            gap = pl.Series(np.arange(rows) % 7 == i) if i < 2 else pl.Series([False] * rows)
            columns[f"{kind} {i}"] = pl.select(pl.when(~gap).then(values)).to_series()
    return pl.DataFrame(columns)


@pytest.mark.parametrize("rows", [0, 1, 8, 200])
@pytest.mark.parametrize("convert", [pl.DataFrame.clone, pl.DataFrame.to_pandas, pl.DataFrame.to_arrow])
def test_numbers_taken_by_groups_of_columns_are_those_of_columns_taken_alone(rows, convert):
    table = as_table(convert(many_types(300)[:rows]))
    names = [*table.names[1:]]
    seen = []
    for positions, block in table.numbers(names):
        for j, values in zip(positions, block.T, strict=True):
            alone = table.column(names[j]).numbers()
            np.testing.assert_array_equal(values, alone)
            assert values.dtype == alone.dtype
        seen.append(positions)
    assert sorted(itertools.chain(*seen)) == [*range(len(names))]
    assert len(seen) < len(names) or convert is pl.DataFrame.to_arrow


@pytest.mark.parametrize("convert", [pl.DataFrame.clone, pl.DataFrame.to_pandas])
def test_a_row_of_a_wide_frame_takes_few_calls_for_a_column(convert):
    width = 3000
    frame = pl.DataFrame({f"x{i}": [0.5 * i, 1.0, 2.0 + i] for i in range(width)})
    frame = frame.with_columns(count=pl.Series([1, 2, 3]), word=pl.Series(["a", "b", "a"]))
    encoder = TableEncoder(infer(frame)).fit(frame)
    row = convert(frame[:1])
    encoder.transform(row)
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        encoder.transform(row)
    finally:
        sys.setprofile(None)
    assert calls < 8 * width  # 150 for each column, if each becomes an object


def test_a_row_of_a_frame_is_matched_by_name_whatever_the_order():
    frame = NUMBERS["of one type"]
    encoder = TableEncoder(infer(frame)).fit(frame)
    expected = encoder.transform(frame).numeric[:1]
    np.testing.assert_array_equal(encoder.transform(frame[:1].select("b", "a")).numeric, expected)


def _of_every_type(rows):
    rng = np.random.default_rng(0)
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(int(day)) for day in rng.integers(0, 900, rows)]
    columns = {
        "float": rng.normal(size=rows),
        "narrow": rng.normal(size=rows).astype(np.float32),
        "gaps": np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows)),
        "whole": rng.integers(-(2**60), 2**60, rows),
        "byte": rng.integers(0, 200, rows).astype(np.uint8),
        "text": rng.choice(["a", "b", "c"], rows),
        "many": rng.choice([f"value {i}" for i in range(20)], rows),
        "flag": rng.random(rows) < 0.5,
        "day": days,
    }
    nulls = {
        "whole or null": [None if i % 3 == 0 else i for i in range(rows)],
        "text or null": [None if i % 4 == 0 else "xyz"[i % 3] for i in range(rows)],
        "flag or null": [None if i % 5 == 0 else i % 2 == 0 for i in range(rows)],
        "price": [None if i < 90 else f"${i * 7919 % 1000 / 8:.2f}" for i in range(rows)],
        "title": [
            None if i % 7 == 0 else f"the {['red', 'green', 'blue'][i % 3]} house {i}" for i in range(rows)
        ],
        "when": [
            None if i % 6 == 0 else f"{i % 28 + 1:02}/{i % 12 + 1:02}/2021 10:{i % 60:02}"
            for i in range(rows)
        ],
    }
    return pl.DataFrame(columns | nulls)


def _in_nullable_types(frame):
    return frame.to_pandas().convert_dtypes()


def _of_objects(frame):
    return frame.to_pandas().astype(object)


@pytest.mark.parametrize(
    "make", [pl.DataFrame.clone, pl.DataFrame.to_pandas, _in_nullable_types, _of_objects]
)
def test_few_rows_are_encoded_as_in_a_long_table(make):
    frame = make(_of_every_type(240))
    encoder = TableEncoder(infer(frame)).fit(frame)
    whole = encoder.transform(frame)
    for rows in (1, 2, 7, 100):
        for start in range(0, 140, 20):
            few = encoder.transform(frame[start : start + rows])
            np.testing.assert_array_equal(few.numeric, whole.numeric[start : start + rows])
            np.testing.assert_array_equal(few.codes, whole.codes[start : start + rows])


@pytest.mark.parametrize("library", [pl, pd])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8"])
def test_a_row_of_one_type_is_encoded_as_in_a_long_table(library, dtype):
    numbers = (100 * np.random.default_rng(0).random((240, 30))).astype(dtype)
    frame = library.DataFrame({f"c{i}": numbers[:, i] for i in range(30)})
    encoder = TableEncoder(infer(frame)).fit(frame)
    whole = encoder.transform(frame).numeric
    for i in (0, 7):
        np.testing.assert_array_equal(encoder.transform(frame[i : i + 1]).numeric, whole[i : i + 1])
    turned = frame[[f"c{i}" for i in reversed(range(30))]][:1]
    np.testing.assert_array_equal(encoder.transform(turned).numeric, whole[:1])


@pytest.mark.parametrize("library", [pl, pd])
def test_an_infinite_number_in_a_row_of_numbers_counts_as_missing(library):
    frame = library.DataFrame({f"c{i}": np.random.default_rng(i).normal(size=240) for i in range(5)})
    encoder = TableEncoder(infer(frame)).fit(frame)
    row, missing = (library.DataFrame({f"c{i}": [x] for i in range(5)}) for x in (np.inf, np.nan))
    with pytest.warns(DataWarning, match="infinite"):
        found = encoder.transform(row).numeric
    np.testing.assert_array_equal(found, encoder.transform(missing).numeric)


def test_a_frame_with_numbered_columns_is_matched_by_position():
    numbers = np.random.default_rng(0).normal(size=(240, 5))
    encoder = TableEncoder(infer(numbers)).fit(numbers)
    few = encoder.transform(pd.DataFrame(numbers[:3])).numeric
    np.testing.assert_array_equal(few, encoder.transform(numbers).numeric[:3])


@pytest.mark.parametrize("dtype", ["float64", "float32", ">f8", "int32"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_of_few_rows_is_encoded_as_in_a_long_one(dtype, order):
    numbers = (100 * np.random.default_rng(0).normal(size=(8000, 30))).astype(dtype)
    encoder = TableEncoder(infer(numbers)).fit(numbers)
    whole = encoder.transform(numbers)
    few = encoder.transform(np.array(numbers[5:12], order=order))
    np.testing.assert_array_equal(few.numeric, whole.numeric[5:12])
    assert few.numeric.flags.c_contiguous and few.numeric.dtype == np.float32
    assert few.codes.shape == (7, 0)


def test_an_infinite_number_in_an_array_of_one_row_is_named():
    encoder = TableEncoder(infer(np.eye(4))).fit(np.eye(4))
    with pytest.raises(DataError, match=r"'x2'.* row 0"):
        encoder.transform(np.array([[0.0, 1.0, np.inf, 0.0]]))
