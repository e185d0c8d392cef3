"""Categories with an order: told, of a known scale, or of an ordered type of pandas."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

import lamina
from lamina.errors import DataError
from lamina.messages import on_command_line
from lamina.table.encode import TableEncoder
from lamina.table.kinds import infer
from lamina.table.messages import DataWarning
from lamina.table.schema import Schema
from lamina.table.stream.statistics import TableStatistics
from lamina.table.types import Category, Number, Ordered

N = 120
SIZES = ["S", "M", "L", "XL"]
FRAME = pl.DataFrame(
    {
        "size": [None if i % 30 == 7 else SIZES[i % 4] for i in range(N)],
        "month": [["Jan", "apr", "Jul", "Oct"][i % 4] for i in range(N)],
        "stars": [i % 5 + 1 for i in range(N)],
        "x": [float(i) for i in range(N)],
    }
)
KINDS = {"size": SIZES, "month": "ordered", "stars": [5, 4, 3, 2, 1]}


def test_nothing_is_ordered_that_is_not_told():
    assert [type(column.type) for column in infer(FRAME).columns] == [Category, Category, Number, Number]


def test_what_is_told_is_a_category_and_a_place():
    schema = infer(FRAME, kinds=KINDS)
    size, month, stars = schema.columns[:3]
    assert size.type == Ordered("S\nM\nL\nXL") and size.reason == "in the order S < M < L < XL"
    assert [part.name for part in size.parts] == ["size", "size: place"]
    assert size.parts[0].categories == ("L", "M", "S", "XL") and size.parts[1].high == 3
    assert (size.missing, size.parts[1].missing) == (4, 4)
    assert [part.name for part in month.parts] == ["month", "month: sin", "month: cos"]
    encoder = TableEncoder(schema, robust_scale=False, smooth_clip=False).fit(FRAME)
    numeric, names = encoder.transform(FRAME).numeric, encoder.numeric_names
    np.testing.assert_array_equal(numeric[:4, names.index("size: place")], range(4))
    np.testing.assert_allclose(numeric[:4, names.index("month: cos")], [1, 0, -1, 0], atol=1e-6)
    np.testing.assert_array_equal(numeric[:6, names.index("stars: place")], [4, 3, 2, 1, 0, 4])
    assert stars.parts[0].categories == ("1", "2", "3", "4", "5")
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


@pytest.mark.parametrize(
    ("values", "places"),
    [
        (["low", "HIGH", "Medium"], [1, 3, 2]),
        (["strongly agree", "Strongly_disagree", "neutral"], [4, 0, 2]),
        (["A+", "B-", "F"], [13, 8, 0]),
        (["two", "one", "ten"], [2, 1, 10]),
        (["IV", "I", "X"], [3, 0, 9]),
        (["TA", "Ex", "Gd"], [2, 4, 3]),
    ],
)
def test_known_scales(values, places):
    column = infer(pl.DataFrame({"x": values}), kinds={"x": "ordered"})["x"]
    assert [column.type.places[value.casefold().replace("_", " ")] for value in values] == places


def test_an_ordered_type_of_pandas_tells_it():
    kind = pd.CategoricalDtype(["good", "fine", "superb"], ordered=True)
    frame = pd.DataFrame({"x": pd.Series(["fine", "good", None, "superb"] * 9, dtype=kind), "y": range(36)})
    assert infer(frame)["x"].type == Ordered("good\nfine\nsuperb")
    assert infer(frame, kinds={"x": "categorical"})["x"].type == Category()
    frame["x"] = frame["x"].cat.as_unordered()
    assert isinstance(infer(frame)["x"].type, Category)


def test_what_cannot_be_ordered_is_told():
    with pytest.raises(
        DataError, match=r"'size': 'XL' in row 3 .* is not in the order 'S', 'M', 'L'; add it"
    ):
        infer(FRAME, kinds={"size": ["S", "M", "L"]})
    with pytest.raises(DataError, match=r"'x': the order of .* is not known; give it"):
        infer(pl.DataFrame({"x": ["red", "green", "blue"]}), kinds={"x": "ordered"})
    with pytest.raises(DataError, match=r"or a list of different values in their order, not \['S', 'S'\]"):
        infer(FRAME, kinds={"size": ["S", "S"]})
    with on_command_line(), pytest.raises(DataError, match="--ordered siz=S,M names a column 'siz'"):
        infer(FRAME, kinds={"siz": ["S", "M"]})


def test_an_unseen_value_is_an_unknown_category_of_no_place():
    encoder = TableEncoder(infer(FRAME, kinds=KINDS)).fit(FRAME)
    rows = FRAME[:2].with_columns(pl.Series("size", [None, "XXXL"]))
    with pytest.warns(DataWarning, match="column 'size' has 1 value that training did not have"):
        numeric = encoder.transform(rows).numeric
    place = encoder.numeric_names.index("size: place")
    assert numeric[0, place] == numeric[1, place]


def test_streams_know_the_order():
    begin, end = (TableStatistics(FRAME.schema, kinds=KINDS, first=first) for first in (0, 50))
    begin.update(FRAME[:50])
    end.update(FRAME[50:])
    begin.merge(end)
    found, expected = begin.schema(), infer(FRAME, kinds=KINDS)
    for name in KINDS:
        assert found[name].type == expected[name].type and found[name].missing == expected[name].missing
        assert [(p.name, p.low, p.high, p.counts) for p in found[name].parts] == [
            (p.name, p.low, p.high, p.counts) for p in expected[name].parts
        ]


@pytest.mark.slow
def test_models_with_them_are_saved(tmp_path):
    y = FRAME["x"].to_numpy() / 9
    model = lamina.MLPRegressor(preset="fast", max_iter=2, column_kinds=KINDS, random_state=0).fit(FRAME, y)
    lamina.save(model, tmp_path / "model.safetensors")
    loaded = lamina.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(FRAME), model.predict(FRAME))
    assert loaded.column_kinds == {"size": SIZES, "month": "ordered", "stars": [5, 4, 3, 2, 1]}
