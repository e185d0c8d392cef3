"""Whatever the cells of a frame hold: a network learns from it, or leaves it out with a reason; none is refused."""

import datetime
import decimal
import enum
import fractions
import ipaddress
import pathlib
import random
import uuid
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import lamina
from lamina.table.encode import TableEncoder
from lamina.table.kinds import infer
from lamina.table.messages import DataWarning
from lamina.table.stream.statistics import TableStatistics

N = 60
R = random.Random(0)
DAY = datetime.date(2000, 1, 1)
DAYS = [DAY + datetime.timedelta(i) for i in range(N)]


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Thing:
    pass


def many(make):
    return [make(i) for i in range(N)]


def objects(make):
    return pd.Series(many(make), dtype=object)


POLARS = {
    "lists of texts": pl.Series(many(lambda _: R.sample("abcdefg", R.randint(0, 3)))),
    "lists of two numbers": pl.Series(many(lambda i: [i * 1.5, R.random()])),
    "lists of some numbers": pl.Series(many(lambda i: [R.random()] * R.randint(1, 4))),
    "arrays": pl.Series(many(lambda i: [1.0 * i, 2.0]), dtype=pl.Array(pl.Float64, 2)),
    "structs": pl.Series(many(lambda i: {"a": i, "b": R.choice("xy")})),
    "lists of structs": pl.Series(many(lambda i: [{"name": R.choice("xyz")}] * 2)),
    "bytes that are texts": pl.Series(many(lambda _: R.choice([b"ab", b"cd"]))),
    "bytes": pl.Series(many(lambda i: bytes([255, i]))),
    "objects": pl.Series(many(lambda _: Thing()), dtype=pl.Object),
    "sets": pl.Series(many(lambda _: {R.choice("abc"), R.choice("def")}), dtype=pl.Object),
    "nothing": pl.Series([None] * N),
    "decimals": pl.Series(many(lambda i: decimal.Decimal(i) / 8)),
    "128 bits": pl.Series(many(lambda i: 2**90 + i * 2**80), dtype=pl.Int128),
    "64 bits": pl.Series(many(lambda i: 2**63 + i * 10**6), dtype=pl.UInt64),
    "dates with a zone": pl.Series(DAYS).cast(pl.Datetime).dt.replace_time_zone("Asia/Tokyo"),
    "times": pl.Series(many(lambda i: datetime.time(i % 24, i))),
    "durations": pl.Series(many(datetime.timedelta)),
    "infinite": pl.Series(many(lambda i: np.inf if i == 3 else float(i))),
    "all infinite": pl.Series([np.inf] * N),
    "infinite or none": pl.Series(many(lambda i: np.inf if i % 2 else np.nan)),
    "no numbers": pl.Series([np.nan] * N),
    "huge and tiny": pl.Series(many(lambda i: 10.0 ** (10 * i - 300))),
    "emoji": pl.Series(["😀", "🎉"] * 30),
    "zeros in texts": pl.Series(["a\0b", "c"] * 30),
    "long texts": pl.Series(["x" * 10_000, "y"] * 30),
    "halves of JSON": pl.Series(["{a", "[1"] * 30),
    "deep JSON": pl.Series([*["[" * 500 + "]" * 500] * 30, *(f"[{i}]" for i in range(30))]),
    "numbers, lists, words": pl.Series(["[1,2]", "a", "{}", "7"] * 15),
    "empty texts": pl.Series(["", " "] * 30),
}  # fmt: skip
PANDAS = {
    "complex": pd.Series(many(lambda i: complex(i, R.random()))),
    "periods": pd.Series(pd.period_range("2000-01", periods=N, freq="M")),
    "intervals": pd.Series(pd.interval_range(0, N, periods=N)),
    "cuts": pd.cut(pd.Series(np.arange(N)), 12),
    "sparse": pd.Series(pd.arrays.SparseArray([0.0] * 50 + many(float)[:10])),
    "Int64": pd.Series(many(lambda i: i if i % 3 else None), dtype="Int64"),
    "boolean": pd.Series([True, None, False] * 20, dtype="boolean"),
    "lists": objects(lambda _: R.sample("abcdefg", R.randint(0, 3))),
    "lists with gaps": objects(lambda i: ["a", None] if i % 2 else None),
    "arrays in cells": objects(lambda i: np.arange(3.0) * i),
    "tuples": objects(lambda i: (i, 2 * i)),
    "frozen sets": objects(lambda _: frozenset((R.choice("abc"), R.choice("def")))),
    "dicts": objects(lambda i: {"a": i, 7: R.choice("xy")}),
    "texts in bytes": objects(lambda _: R.choice([b"ab", bytearray(b"cd")])),
    "bytes in cells": objects(lambda i: bytes([255, i])),
    "UUIDs": objects(lambda i: uuid.UUID(int=i)),
    "addresses": objects(lambda i: ipaddress.ip_address(i * 99_999)),
    "paths": objects(lambda _: pathlib.PurePosixPath(f"/a/{R.choice('xy')}")),
    "enumerations": objects(lambda _: R.choice(list(Color))),
    "fractions": objects(lambda i: fractions.Fraction(i, 7)),
    "decimals with gaps": objects(lambda i: decimal.Decimal("NaN" if i % 5 == 0 else i)),
    "beyond float64": objects(lambda i: 10**400 + i if i % 7 == 0 else i),
    "things": objects(lambda _: Thing()),
    "types": objects(lambda i: [int, str][i % 2]),
    "functions": objects(lambda i: lambda: i),
    "everything": pd.Series([1, "a", None, 2.5, True, DAY] * 10, dtype=object),
    "dates and words": objects(lambda i: DAYS[i] if i % 2 else "n/a"),
    "dates and numbers": objects(lambda i: DAYS[i] if i % 2 else 5),
    "dates in zones": objects(lambda i: pd.Timestamp("2000", tz=["Asia/Tokyo", "UTC"][i % 2])),
    "dates, some in zones": objects(lambda i: pd.Timestamp("2000", tz=["Asia/Tokyo", None][i % 2])),
    "offsets": objects(lambda i: pd.DateOffset(days=i)),
    "lists of Arrow": pd.Series([["a"], ["b", "c"]] * 30, dtype=pd.ArrowDtype(pa.list_(pa.string()))),
    "records": pd.Series([*np.array([(i, 2.0) for i in range(N)], dtype=[("a", int), ("b", float)])], dtype=object),
    "NumPy's numbers": objects(np.float32),
}  # fmt: skip
ARROW = {
    "maps": pa.array(many(lambda i: [("a", i)]), pa.map_(pa.string(), pa.int64())),
    "structs": pa.array(many(lambda i: {"a": i, "b": "x"})),
    "lists": pa.array([["a"], ["b", "c"]] * 30),
    "large texts": pa.array(["a", "b"] * 30, pa.large_string()),
    "views": pa.array(["a", "b"] * 30, pa.string_view()),
    "bytes": pa.array([b"ab", b"cd"] * 30, pa.binary(2)),
    "halves": pa.array(np.arange(N, dtype=np.float16)),
    "nulls": pa.nulls(N),
    "milliseconds": pa.array(DAYS, pa.date64()),
    "intervals": pa.array(many(lambda i: (i, 2, 3)), pa.month_day_nano_interval()),
    "dictionaries": pa.array(["a", "b"] * 30).dictionary_encode(),
}
LEFT_OUT = {
    "bytes", "objects", "nothing", "all infinite", "infinite or none", "no numbers", "bytes in cells",
    "things", "types", "functions", "nulls",
}  # fmt: skip
"""Those that hold nothing to learn from."""

Y = np.arange(N) % 7 + np.random.default_rng(0).normal(size=N)
FRAMES = {
    **{f"polars: {name}": pl.DataFrame({name: values, "y": Y}) for name, values in POLARS.items()},
    **{f"pandas: {name}": pd.DataFrame({name: values, "y": Y}) for name, values in PANDAS.items()},
    **{f"arrow: {name}": pa.table({name: values, "y": pa.array(Y)}) for name, values in ARROW.items()},
}


@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
@pytest.mark.parametrize("case", FRAMES)
def test_every_column_is_learned_from_or_left_out(case):
    name = case.split(": ")[1]
    schema = infer(FRAMES[case])
    assert schema[name].used or schema[name].type.left_out
    if name in LEFT_OUT and not case.startswith("arrow: bytes"):
        assert not schema[name].used
    encoded = TableEncoder(schema).fit(FRAMES[case]).transform(FRAMES[case])
    assert np.isfinite(encoded.numeric).all() and len(encoded.numeric) == N


@pytest.mark.few(1)
@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
@pytest.mark.parametrize("frame", [pl.DataFrame(POLARS), pd.DataFrame(PANDAS), pa.table(ARROW)], ids=type)
def test_a_network_trains_on_all_of_them(frame):
    model = lamina.MLPRegressor(preset="fast", max_iter=2, members=1, random_state=0).fit(frame, Y)
    found = model.predict(frame)
    assert found.shape == (N,) and np.isfinite(found).all()
    assert len(model.fitted_.encoder.schema.used) > len(model.feature_names_in_) / 2


def test_what_is_left_out_is_told_once():
    frame = pd.DataFrame(
        {name: PANDAS[name] for name in ("things", "bytes in cells", "functions")} | {"y": Y}
    )
    with pytest.warns(
        DataWarning, match="left out 3 columns of objects or bytes .*'things', 'bytes in cells'"
    ) as found:
        infer(frame)
    assert len(found) == 1


@pytest.mark.parametrize(
    "name", ["lists of texts", "structs", "bytes that are texts", "arrays", "bytes", "128 bits"]
)
def test_streams_take_them_too(name):
    frame = pl.DataFrame({"x": POLARS[name], "y": Y})
    statistics = TableStatistics(frame.schema)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        statistics.update(frame[:25])
        statistics.update(frame[25:])
        found, expected = statistics.schema()["x"], infer(frame)["x"]
    assert found.type.tag == expected.type.tag and found.missing == expected.missing
    assert [part.name for part in found.parts] == [part.name for part in expected.parts]


def test_durations_come_back_from_a_csv():
    frame = pd.DataFrame({"t": pd.to_timedelta(many(lambda i: 7919 * i), unit="s"), "y": Y})
    encoder = TableEncoder(infer(frame)).fit(frame)
    texts = frame.assign(t=frame["t"].astype(str))  # 0 days 02:11:59, as pandas writes them
    np.testing.assert_array_equal(encoder.transform(texts).numeric, encoder.transform(frame).numeric)


def test_hours_beyond_a_day_are_durations():
    texts = [f"{i}:{i % 60:02}:30" for i in range(N)]
    schema = infer(pl.DataFrame({"t": texts, "short": [f"{i % 24}:59:10" for i in range(N)], "y": Y}))
    assert [schema["t"].type.read(text) for text in texts] == [
        3600 * i + 60 * (i % 60) + 30 for i in range(N)
    ]
    assert schema["short"].type.tag == "time"
    assert schema["t"].type.read("1 day, 2:00:00") == 26 * 3600
